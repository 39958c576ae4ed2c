"""From documents to a hash function: the one optimization loop, and its checkpoints."""
