"""A subscriber's library: the papers that they bring from a reference manager, which count as liked."""
