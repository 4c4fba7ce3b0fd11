"""What comes back from mail servers and mailbox providers: failed deliveries, delays and complaints."""
