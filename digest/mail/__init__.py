"""How it gets there: rendering, composing, sending, recording."""
