"""Backs up a database to a file while programs use it, and restores such a file."""
