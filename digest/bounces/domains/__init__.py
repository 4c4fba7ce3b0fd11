"""Reports about the sender's domain as a whole: DMARC (RFC 7489) and TLS (RFC 8460)."""
