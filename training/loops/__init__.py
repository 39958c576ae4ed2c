"""The inner loops of the training that no library has, compiled, with the same in numpy."""
