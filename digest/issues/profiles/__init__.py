"""Subscribers' profiles."""
