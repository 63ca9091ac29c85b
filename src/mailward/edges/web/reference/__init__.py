"""The API reference at `/docs/api`: the OpenAPI document as pages a person reads.

Guarantees: what is shown is made from the document the server itself answers, so it cannot tell of another API;
no script, no cookie, nothing from elsewhere; a page a subject, each below 100 kB compressed.
"""
