"""The papers of one subscriber's message."""
