"""Signing in with another provider: OpenID Connect (Core 1.0, Discovery 1.0) and GitHub's plain OAuth (RFC 6749).

What it guarantees: authorization code with PKCE S256 (RFC 7636) only; state, nonce and
verifier are derived from a secret in the browser's own cookie, so an answer that another
browser asked for fits nobody; an identity token counts only when its signature, issuer,
audience, authorized party, times and nonce are right, by an asymmetric algorithm and a
key the issuer publishes; an address only when the provider says it verified it.
Nothing here speaks to the network: `exchange` yields what to ask and is sent the answer.
"""
