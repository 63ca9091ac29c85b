"""Availability: minutes in which the doors of the platform answered, against the target that was promised.

What it guarantees: a minute is good when the API's send, submission and the MX each
answered a probe within its limit, those of them that this installation has; a minute in
which nobody probed because nothing ran is not good; a minute counts once, whoever
measures. The budget is the part of a month that may be bad; how fast it is spent
decides the alerts. Verbs: record, post, close.
"""
