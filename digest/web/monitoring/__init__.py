"""Endpoints for the programs that watch an installation."""
