"""From an issue and a selection to the bytes of a message."""
