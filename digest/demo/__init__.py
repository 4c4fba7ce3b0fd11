"""The first run: a local mail server, three demo readers, and a bundled sample of papers."""
