"""Disclosure: strangers tell us of weaknesses, and get an answer in time.

What it guarantees: a report is sealed before it is stored and only operators open it;
whoever reported can follow it with one token, kept here as a hash; every report has a
deadline for its acknowledgement, counted in business days, and a missed one alerts; a
state changes only along the table. Verbs: receive, acknowledge, move, note_overdue.
"""
