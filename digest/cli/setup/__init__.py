"""The commands init and doctor."""
