"""Composes messages, sends them and records what became of them."""
