"""Issues, frozen when they are cut, and each subscriber's selection from them."""
