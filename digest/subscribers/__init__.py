"""Subscribers, what they asked for, and the links with which they change it."""
