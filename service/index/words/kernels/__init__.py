"""The inner loops of the inverted index: compiled, or in plain numpy."""
