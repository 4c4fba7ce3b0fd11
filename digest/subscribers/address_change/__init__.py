"""Changes of a subscriber's address, which both addresses confirm."""
