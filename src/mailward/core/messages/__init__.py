"""Messages as their owner sees them after acceptance.

What it guarantees: an accepted message can be listed, found, read back byte for byte,
explained, cancelled while it waits, and is erased when its time is over. Verbs: list,
find, explain, cancel, reschedule, index (for search), expire. Accepting is
`core/submission`, sending is `core/delivery`.
"""
