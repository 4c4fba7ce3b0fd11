"""Pages that are the same for everyone."""
