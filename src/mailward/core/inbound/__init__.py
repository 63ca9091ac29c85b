"""Mail for a customer's domain, taken over and handed to the customer's endpoint.

What it guarantees: after `receive` commits, the message is on disk as it came, with what was
found out about it, and a copy for each route waits in the same transaction; only then does the
MX say 250. A route decides how it is handed over: store and forward (tried for days until the
endpoint takes it) or in session (the endpoint's answer is the sender's answer). At least once:
an id is the same over all attempts and replays. Every attempt is kept with what the endpoint
said, and what failed can be told again: one message, a span of time, or all failures.

Verbs: add_route, change_route, remove_route, rotate_secret (audited); receive on the path of a
message; lease, settle of copies; replay_message, replay_range, progress; find, page, attempts
for people; release and discard of what is in quarantine; let_go and erase for retention.
"""
