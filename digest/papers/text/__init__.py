"""Readable text from titles and abstracts."""
