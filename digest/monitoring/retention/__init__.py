"""Deletes old rows that are no longer needed, a few at a time."""
