"""Reading the sources and judging how it went."""
