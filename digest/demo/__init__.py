"""The first run: a local mail server, three demo subscribers, and a bundled sample of papers."""
