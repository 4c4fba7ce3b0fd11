"""Lists of the operator's own."""
