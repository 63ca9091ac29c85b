"""ARC (RFC 8617): what earlier hands say they found, and whether their seals still hold.

`validate` judges a chain: whole, in order, newest message signature and every seal
right, fifty sets at most. `seal` adds our own set. A passing chain says only that
its sealers said so: whether to believe them is for whoever lists the sealers it trusts.
"""
