"""Tokens: 256 random bits in base62 under a prefix, with a checksum, stored as SHA-256 only.

`mwk_` API key, `mws_` SMTP password, `mwu_` session, `mwl_` setup link, `mwi_` invitation,
`mwt_` a step to be finished, `mwd_` a device; then 43 characters of the secret and 6 of
the CRC-32 of prefix and secret, in base62. A scanner finds leaks with `TOKEN_PATTERN` and
tells a real one from a look-alike by the checksum, offline. A fast hash is right: there
is nothing to guess in 256 random bits.
"""

from __future__ import annotations

import hashlib
import zlib

from mailward.base.secret import Secret
from mailward.base.sources import Entropy

API_KEY, SMTP_PASSWORD, SESSION, SETUP_LINK, INVITATION = "mwk_", "mws_", "mwu_", "mwl_", "mwi_"
TICKET, DEVICE = "mwt_", "mwd_"
TOKEN_PATTERN = r"\bmw[ksulitd]_[0-9A-Za-z]{49}\b"  # noqa: S105 - a pattern, not a secret

_KINDS = {
    API_KEY: "API key",
    SMTP_PASSWORD: "SMTP password",
    SESSION: "session",
    SETUP_LINK: "setup link",
    INVITATION: "invitation",
}
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 4 + 43 + 6
HINT = 8
"""Characters of a token that may be shown later, prefix included: 24 of its 256 bits."""


def new_token(prefix: str, entropy: Entropy) -> Secret[str]:
    """A fresh token."""
    secret = _base62(int.from_bytes(entropy.bytes(32), "big"), 43)
    return Secret(prefix + secret + _checksum(prefix + secret))


def hash_token(token: str, prefix: str) -> bytes | None:
    """What is stored of a token; None when it cannot be one of this kind, which spares the look-up."""
    if len(token) != _LENGTH or not token.startswith(prefix) or not token.isascii():
        return None
    if _checksum(token[:-6]) != token[-6:]:
        return None
    return hashlib.sha256(token.encode()).digest()


def kind_of(text: str) -> str | None:
    """What a token is for, in words, from its prefix and checksum alone; None when it is none of ours."""
    return next((words for prefix, words in _KINDS.items() if hash_token(text, prefix) is not None), None)


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), 6)


def _base62(n: int, width: int) -> str:
    digits = []
    for _ in range(width):
        n, digit = divmod(n, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
