"""Documents to matrices: readers, the split, minibatches, corruption."""
