"""Checks for operators."""
