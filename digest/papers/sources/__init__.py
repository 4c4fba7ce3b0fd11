"""One file a source; `source.py` is the small interface they share."""
