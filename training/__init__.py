"""The making of code spaces: fit a hash function on a collection, encode it, evaluate it, promote it."""

import os

# torch reads this once, before its first allocation. Gradients of word vectors are tens of megabytes, made anew at each
# step: in pages of 4 kB a quarter of a step went into faults, in pages of 2 MB a tenth does.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# Read once as well. Threads that wait for one another by spinning take, where other work keeps the cores busy, the very
# cores that the others need: 120 steps of a small training took over 100 s in place of 7.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
