"""Starting programs on this machine, watching them, and stopping them in order."""
