"""Backups: their rows in the database, and sending after a restore."""
