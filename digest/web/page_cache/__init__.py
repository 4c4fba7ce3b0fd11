"""Keeps public pages whole in memory (decision 0033)."""
