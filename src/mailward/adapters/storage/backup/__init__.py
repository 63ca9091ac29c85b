"""Backups of the embedded store: the snapshot, the sealed files, the places where they lie, and the way back.

What it guarantees: a part is sealed with AES-256-GCM under a key of its own, which the
key file wraps, and neither cut, reordered nor renamed parts open; a file is under its
name whole and durable, or not at all.
"""
