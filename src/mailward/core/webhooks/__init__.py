"""Telling a customer's own systems what happens to their messages, by signed HTTP requests.

What it guarantees: an event is queued for each endpoint that asked for its type in the
same transaction as the fact it tells, and is posted until the endpoint confirms it or
the schedule of a little over three days is used up. At least once: an event keeps its
id over every attempt and replay, so a receiver can tell. Bodies are posted exactly as
stored, signed afresh for each attempt. Every attempt is kept with what the endpoint said.

An endpoint that says 410, or takes nothing for five days, is disabled, and people are told.

Verbs: create, change, remove and rotate the secret of endpoints, prepare and conclude the
probe that enables one (all audited); enqueue_events or tell, lease, settle on the path of
an event; send_test, replay_event, replay_range, progress, events, attempts for people; prune.
"""
