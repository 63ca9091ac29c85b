"""SMTP as values: what one side may say next, and what the other must answer.

The server (`server.py`) is a machine in one visible table of state and verb: bytes go in, replies come
out, and where a decision belongs to the platform it leaves a question behind (authenticate, accept,
start TLS) and waits. The client speaks the other half with the same manners. Neither owns a socket, a
clock or a thread.

Guaranteed here, whatever the edge does: a message ends only at CRLF "." CRLF or at the last octet of
its last chunk; a bare CR, a bare LF or a NUL is refused and never repaired; an address is exactly what
RFC 5321 (and RFC 6531, when asked for) allows; nothing said before TLS is remembered after it; no input
makes a session hold more than its stated limits.

Files: `address` (mailboxes), `commands` (arguments), `auth` (SASL), `reading` (octets to lines), `data` (content),
`replies` (every sentence the server says), `questions` (what it asks), `model` (values for the rest), `server`.
"""
