"""Pages behind a subscriber's own link."""
