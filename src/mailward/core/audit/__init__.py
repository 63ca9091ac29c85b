"""The audit log: who did what to access, keys, configuration and content, and when.

What it guarantees: an act and its entry commit together; entries are the leaves of a
Merkle tree per workspace (RFC 6962 hashes), whose heads are leaves of one tree for the
installation; heads are signed (C2SP tlog-checkpoint), so changing, dropping or
reordering an entry is found, and cutting the tail is found by any checkpoint kept
elsewhere. Personal facts lie beside the leaves, bound by a salted hash, so erasing
them keeps the log verifiable. Verbs: append (a method of the repository, used by every
other verb), advance, list, prove, export, verify (of a store, and offline of an
export), erase.
"""
