"""Operators of the installation and their access to a customer's data: by a grant, for a while, in the customer's log.

What it guarantees: an operator has no standing access to what a workspace holds. A grant
is asked for with a reason, let through by a second operator (or, where there is only one,
by a day that passes after the customer was told), begins when it is used and ends by
time, by revocation, or when anyone it rests on loses their place. It never grows. Each
read checks the grant and writes the customer's audit log in one transaction, so there
is no read that is not in the log. Each quarter all access is reviewed, and what nobody
looked at is suspended. Verbs: add and end operators, keep their register, request,
approve, refuse, permit, begin, end, read; open, decide, escalate, suspend, export.
"""
