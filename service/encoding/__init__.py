"""Who runs the hash function, and for how many contents at a time."""
