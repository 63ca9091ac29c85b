"""The installation's public side: measuring and checking in the background, and reading what was found.

What it guarantees: a page never runs a check or a probe, it tells what was stored; checks
run in a process of their own, so that no message waits for them; what is owed to people
(a notice, an answer's deadline) is done by the node that leads, and kept until done.
"""
