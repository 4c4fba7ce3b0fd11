"""The commands that tell how the installation is and what was sent, for people and for monitoring."""
