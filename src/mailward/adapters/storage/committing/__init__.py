"""How the workers of a machine hand messages and outcomes to the one process that commits them for all.

`frames` is what they say to each other, `link` a worker's end, `door` the socket they meet at. The process itself is
the store's own: `sqlite/committer.py`, `postgres/serving.py`.
"""
