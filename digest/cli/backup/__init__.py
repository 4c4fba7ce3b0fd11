"""The commands about backups and about what is kept."""
