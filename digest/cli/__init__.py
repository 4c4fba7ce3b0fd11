"""The `digest` command; main.py is where it starts."""
