"""Getting an accepted message to the world, and saying how it went.

What it guarantees: every open delivery is tried until it ends in one of the final
states or its time is over; a worker that dies gives its leases back; each attempt
leaves a record that explains it, and what was not its turn yet is no attempt: it is due
again at its turn. Verbs: `lease` (take due work of all workspaces,
fairly), `settle` (write how attempts ended, a list at a time), `settled` (which of those are
written already, when the answer was lost), `attempt` (route, sign,
hand to the courier, judge the answer), `take_report` (what a bounce or complaint that
comes later means for a copy that was delivered).
"""
