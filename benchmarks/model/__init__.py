"""A small model of delivery: every interleaving of two workers, whose steps are the product's own transitions."""
