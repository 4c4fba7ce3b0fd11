"""Webhooks of email providers: their signatures and payloads."""
