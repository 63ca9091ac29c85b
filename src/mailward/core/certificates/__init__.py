"""Certificates that an ACME authority issued to this installation, shared by all its nodes.

What it guarantees: one node orders at a time; a key lives as long as its certificate and
is sealed before it comes here; a failure is remembered with its reason and tried again
later and later; nobody waits for a certificate to run out before it is renewed.
Verbs: begin, settle, fail, when.
"""
