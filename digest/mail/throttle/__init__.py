"""Decides if messages may be sent now, and how fast."""
