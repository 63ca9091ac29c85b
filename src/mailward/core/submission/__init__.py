"""Taking responsibility for a message.

What it guarantees: after `record` commits, the message, its deliveries, its usage and
its idempotent answer are on disk together, with the body durable before them; only
then does an edge say 250 or 202. Whether a message may be sent at all is judged before
(`policy/sending`), and what was judged by caches that a revocation overtook is refused
inside the commit. Verbs: `record`, for a list of messages at a time; `record_groups`, for
those of one request that are recorded together or not at all; `earlier`, the answer to a request that was made before
under its idempotency key; `recorded`, what became of those whose answer was lost on the way.
"""
