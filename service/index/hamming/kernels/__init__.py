"""The inner loops of the table: compiled, in numpy, and the choice between them."""
