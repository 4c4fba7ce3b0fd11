"""Webhooks of email providers: their signatures, and what their payloads say."""
