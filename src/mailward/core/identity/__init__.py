"""People and their credentials: users, members, sessions, API keys, SMTP credentials, the setup link.

What it guarantees: passwords are stored as Argon2id and every token as a hash; a token
is shown once, has a prefix and a checksum that scanners can find, and is refused at once
in the process that revoked it and within a second everywhere. A check gives back the
Actor it proved, never a yes. Verbs: set up, found a workspace, add and remove members,
sign in and out, create, list and revoke keys, authenticate.
"""
