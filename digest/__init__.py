"""Digest: the daily trending-paper email."""
