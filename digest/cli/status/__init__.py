"""The commands status and check: how the installation is, for people and for monitoring."""
