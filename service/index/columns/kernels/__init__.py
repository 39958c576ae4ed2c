"""The inner loops of the columns: compiled, or in plain numpy."""
