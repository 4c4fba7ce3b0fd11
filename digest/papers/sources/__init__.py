"""The paper sources, one module each, with the shared interface in `source.py`."""
