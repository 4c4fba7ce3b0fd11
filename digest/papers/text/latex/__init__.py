"""LaTeX to readable text."""
