"""The machines that share one store, and how each knows whether the others are alive.

What it guarantees: a worker that stops beating loses its leases within a bound, and has
stopped beginning anything well before that; nobody is taken for dead because the store
was away or a clock is wrong; a node's number belongs to one machine at a time. Verbs:
`Pulse` (am I still to be believed), `Observer` (who has fallen silent).
"""
