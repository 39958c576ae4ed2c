"""The demonstration: learn codes of the docstrings on this machine and answer queries about them."""
