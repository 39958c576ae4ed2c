"""From files to minibatches: readers, the split, batches, corruption."""
