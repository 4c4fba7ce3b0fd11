"""Backups: the row that each leaves in the database, and what may be sent after a restore."""
