"""Processes the reports of mail servers and providers: failed deliveries, delays and complaints."""
