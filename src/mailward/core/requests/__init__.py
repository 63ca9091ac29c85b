"""The workspace's requests to the API: which operation, with which key, how it ended and how long it took.

What it guarantees: nothing is written while a request is answered, no address, path or
content is kept, a busy workspace cannot fill the store (refusals are kept before
successes, and what was left out is counted), and after seven days a request is gone.
Verbs: `keep` writes what a process gathered, `look` reads a page, `forget` ends the term.
"""
