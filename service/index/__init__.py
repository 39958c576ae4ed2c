"""The Hamming index and the replica of the codes that it serves: a derived cache, SQL is the truth."""
