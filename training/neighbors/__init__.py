"""Who is near whom: exact and approximate search, latent places, the graph that targets come from."""
