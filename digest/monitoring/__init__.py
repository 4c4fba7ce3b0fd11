"""What an operator checks."""
