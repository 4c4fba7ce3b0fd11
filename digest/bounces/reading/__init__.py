"""Reads delivery reports (RFC 3464), complaints (RFC 5965) and other formats: pure, and bounded on hostile input."""

from digest.bounces.reading.reader import is_automatic, read

__all__ = ["is_automatic", "read"]
