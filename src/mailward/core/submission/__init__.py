"""Taking responsibility for a message.

What it guarantees: after `record` commits, the message, its deliveries, its usage and
its idempotent answer are on disk together, with the body durable before them; only
then does an edge say 250 or 202. Whoever may not send it hears so before. Verbs:
`prepare` (pure: is it allowed, and what will be kept), `record` (a list at a time).
"""
