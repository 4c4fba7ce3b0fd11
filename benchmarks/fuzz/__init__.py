"""Coverage-guided runs against everything that reads what strangers send."""
