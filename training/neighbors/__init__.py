"""Nearest neighbors of documents: exact and approximate search, latent semantic analysis, the neighbor graph."""
