"""Realistic bugs, as patches. Each must be found by what its header names."""
