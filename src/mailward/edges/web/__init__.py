"""HTTP, from the outside in: what a stranger may ask, and what comes back.

Reading order: `routes` (an operation is a method, a path, types and a policy; one
without a policy cannot be built), `endpoint` (one request through its guards:
credential, permission, rate, size, type, deadline), `problems` (the only place where
an error becomes a status), `openapi` (the published schema, made from the same types),
`ports` (what the platform must offer), `app` (the table of everything served) and
`server` (granian on a shared port).

Guarantees: nothing of a body is read before its sender is known; every limit has its
own code; an unknown error is "internal error" and never its class name; no answer is
stored by a cache.
"""
