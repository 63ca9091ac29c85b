"""SMTP from the world: listeners, sessions on the event loop, and the one place where errors become SMTP replies.

`serve()` in `listener.py` runs a `protocol.smtp.server.Server` per connection over sockets that were bound before, and
asks a `SubmissionGate` (ports.py) everything that is the platform's to decide. What this edge guarantees: a 250 to
content is written only after the gate's accept() returned; before TLS is up nothing is executed and nothing leaks; no
session outlives its deadlines; a drain finishes what is in hand and takes nothing new.
"""
