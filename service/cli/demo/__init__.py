"""The demonstration: learn codes of the docstrings on this machine and search them."""
