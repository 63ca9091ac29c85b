"""Messages as their owner sees them after acceptance.

What it guarantees: an accepted message can be listed, found by keyed tokens, cancelled
or moved to another time while it waits, and its rows are erased when its time is over.
Verbs: find, index (for search), get, cancel, reschedule, expire. Accepting is
`core/submission`, sending is `core/delivery`.
"""
