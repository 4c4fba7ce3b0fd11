"""Papers and their votes over time, ranked."""
