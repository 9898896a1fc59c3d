"""Training: the loop, what it is made of, and what it tells."""
