"""The ground everything stands on: ids, errors, outcomes, secrets, and the two
protocols (Clock, Entropy) through which time and randomness enter as arguments.

Nothing here performs I/O or knows a mail concept beyond its name.
"""
