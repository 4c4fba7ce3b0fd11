"""What goes out today: the issue, frozen when cut, and each reader's selection from it."""
