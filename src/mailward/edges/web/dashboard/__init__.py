"""The dashboard: what a person sees of their workspace, rendered on the server.

What it guarantees: no page needs inline script or style (the content security policy
forbids both), every value is escaped by the template engine, message HTML is sanitised
and shown only inside a sandboxed frame that can load nothing, every change is a POST
with a token bound to the session, and nothing a page shows is cached. Pages work
without script; with it, lists refresh themselves.
"""
