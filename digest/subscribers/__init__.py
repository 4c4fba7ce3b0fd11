"""Who gets it: readers, what they asked for, and the links by which they change it."""
