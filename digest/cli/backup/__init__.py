"""The commands for backups and retention."""
