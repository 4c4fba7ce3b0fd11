"""From a claimed delivery to a recorded outcome."""
