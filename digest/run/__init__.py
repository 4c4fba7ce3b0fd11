"""Processes and embedded servers on one machine."""
