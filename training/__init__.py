"""The making of code spaces: fit a hash function on a collection, encode it, evaluate it, promote it."""

import os

# torch reads this once, before its first allocation. Gradients of word vectors are tens of megabytes, made anew at each
# step: in pages of 4 kB a quarter of a step went into faults, in pages of 2 MB a tenth does.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
