"""What a workspace does not want to be kept of its mail, although the mail is to flow.

What it guarantees: a field set to `redact` is taken out of everything that is stored of a message once no copy of it is
under way, or some hours later; a field set to `never` is not stored in readable form at all. What the queue needs of it
until then is sealed under a key made for that one message, and that key is deleted with the last copy's outcome. A hard
bounce or a complaint that comes later still lists its address, by a keyed hash.
Verbs: change (the rules), private (seal and open), sweep (delete keys), past (redact what is stored). Deleting a key
with the last outcome is the part of who settles it (`core/messages/ended.py`, `core/inbound/ended.py`).
"""
