"""The pages anyone may read: controls, availability, registers, and how to report a weakness.

What it guarantees: one quiet layout that works without script and asks no other host; no
page runs a check or names a workspace; an answer is cacheable for a minute and carries
its ETag; the only thing that is taken in is a report, from few strangers at a time.
"""
