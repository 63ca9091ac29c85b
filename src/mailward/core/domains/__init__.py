"""Domains a workspace may send from, the DNS records that prove it, and the keys that sign for them.

What it guarantees: a domain sends nothing before its owner has published a token made
for this workspace alone, and both DKIM keys; a domain is verified in one workspace at a
time, and who that is stays unsaid. Each domain signs with keys of its own, RSA-2048 and
Ed25519, replaced on request and on schedule; at no moment does a key sign whose record
DNS does not show. What is published is looked at again and again: a record that
vanishes is reported, and after three failed looks over three days the domain stops
sending. "Nobody could say" never counts as "not there".

Verbs: add, list, get, remove, release (the operator takes a name away), check (look at
DNS outside of a transaction, then settle inside one, and tell what changed), rotate, watch,
ensure_capture_domain, signing_snapshot.
"""
