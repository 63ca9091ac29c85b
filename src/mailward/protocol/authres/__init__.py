"""Authentication-Results (RFC 8601): what a message's checks found, written by us alone.

A field that claims to be ours when the message comes in is forged, however it is
spelled: `strip` takes it away before `build` writes the true one. Reading is one pass
over bounded text; comments may nest to any depth without recursion.
"""
