"""Reads delivery reports (RFC 3464), complaints (RFC 5965) and other formats. Pure; work is bounded on any input."""

from digest.bounces.reading.reader import is_automatic, read

__all__ = ["is_automatic", "read"]
