"""Papers and their votes: the sources, the archive, the search and the ranking."""
