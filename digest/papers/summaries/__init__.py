"""Sentences about papers that a language model writes: one a paper and language, kept for ever."""
