"""How fast messages may be sent, and when not at all."""
