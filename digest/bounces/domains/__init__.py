"""Reports about our domain as a whole: DMARC (RFC 7489) and TLS (RFC 8460)."""
