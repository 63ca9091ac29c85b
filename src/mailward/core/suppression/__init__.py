"""Addresses a workspace sends nothing to, each with the reason.

What it guarantees: an entry stops mail to its address on its stream (or on every
stream) from the moment it commits, and it stays until somebody removes it: entries
never expire silently. Hard bounces and complaints put addresses here by rule, in the
same transaction that records them; people add, remove, import and export, and each of
those acts is audited. Addresses are matched by a keyed token of their normal form, so
that one look-up answers for a whole batch.

Verbs: add, remove, by_bounce, look up (get, list), import, export.
"""
