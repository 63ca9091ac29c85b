"""Messages as their owner sees them after acceptance.

What it guarantees: an accepted message can be listed, found by keyed tokens, cancelled
or moved to another time while it waits (its Date then says that time); while a stream is paused its new mail is held,
and sent only when somebody releases it; its content is let go and its rows are erased
when their terms are over, or at its owner's request.
Verbs: find, index (for search), get, cancel, release, reschedule, pause, resume, expire, erase. Accepting is
`core/submission`, sending is `core/delivery`.
"""
