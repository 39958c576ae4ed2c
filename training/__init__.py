"""The making of code spaces: fit a hash function on a collection, encode it, evaluate it, promote it."""
