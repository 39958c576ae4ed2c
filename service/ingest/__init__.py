"""Use-cases that write: one module per noun."""
