"""Registers: what an operator states in public, kept current.

What it guarantees: an entry has the fields of its kind and no others; every change is
audited; a new or changed subprocessor owes a notice to each workspace that follows the
register, in the same transaction, and is in force only when the days of notice are over;
a review or certificate that ran out is overdue by the calendar, not by anybody's memory;
an advisory is to be patched within the days its severity allows from the day it was known.
Verbs: put, remove, record_scan, follow, sign.
"""
