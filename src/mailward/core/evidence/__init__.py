"""Evidence: every security promise as a control with a state that a check computed.

What it guarantees: each promise is in the catalogue exactly once and says in our own
words what the software does; a state is never written down by hand: "proved" means its
check ran just now against this installation and passed; a promise nobody wrote a check
for says "planned", and one whose check covers a part says "partly proved" and names
what is missing. A check that breaks counts as failing. Verbs: verify, keep, publish.
"""
