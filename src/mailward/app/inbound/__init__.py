"""Receiving, put together: the gate of MX sessions, the judge of authentication, and what records and hands over.

A message passes in this order: recipients are looked up at RCPT in memory (`gate.py`); when it is whole it is
authenticated and examined at the same time (`reading.py`), decided about by the pure `policy/inbound.py`, and recorded
in one transaction. Only then does the MX say 250.
"""
