"""Takes in what mail servers and providers send back: failed deliveries, delays and complaints."""
