"""Disclosure: strangers tell us of weaknesses, and get an answer in time.

What it guarantees: a report is sealed before it is stored and only operators open it;
whoever reported can follow it with one token, kept here as a hash; every report has a
deadline for its acknowledgement, counted in business days, and a missed one alerts; a
state changes only along the table; one that comes as mail is the same report, and its sender is
written to only when it is proven who that is. Verbs: receive, receive_mail, open_report, move, note_overdue.
"""
