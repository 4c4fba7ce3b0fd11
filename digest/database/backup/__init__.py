"""Copies a database into a file while programs use it, and puts such a file in place of a database."""
