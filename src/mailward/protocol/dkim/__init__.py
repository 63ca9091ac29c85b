"""DKIM (RFC 6376, with RFC 8301 and RFC 8463): signing, verifying, keys and their DNS records.

Signing is relaxed/relaxed with RSA-2048 and Ed25519 over one body hash and one
canonicalised header, never with `l=`, and over-signs what a thief would add a second
time. Verifying refuses what RFC 8301 refuses (sha1, short keys) and treats `l=` as a
failure, because text can be added behind it. Our own because the libraries take
8 ms for a signature and accept all of that; they are the oracles of the tests.
"""
