"""Finding papers by words and by similarity."""
