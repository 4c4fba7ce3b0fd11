"""Deletes old rows that nothing needs any more, a few at a time."""
