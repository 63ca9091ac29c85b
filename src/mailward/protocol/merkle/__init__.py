"""Merkle trees as logs use them: RFC 6962 hashing and proofs, checkpoints as C2SP signed notes.

`tree` hashes leaves and joins subtrees, `proofs` checks inclusion and consistency and
builds them from stored nodes, `note` reads and writes signed notes, `checkpoint` what a
tree's head says in one. Pure: hashes in, hashes out.
"""
