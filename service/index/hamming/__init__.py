"""The Hamming table: binary codes in memory, searched exactly."""
