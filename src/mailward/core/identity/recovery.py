"""Recovery codes: ten, of 120 random bits each, shown once, stored as hashes, good for one sign-in each."""

from __future__ import annotations

import base64
import hashlib
import re

from mailward.base.ids import UserId
from mailward.base.sources import Entropy

HOW_MANY = 10
_BYTES = 15
_FORM = re.compile(r"[A-Z2-7]{24}|[A-Z2-7]{16}")  # the shorter ones were given out by earlier versions


def new_codes(entropy: Entropy) -> list[str]:
    """Codes as they are shown: six groups of four."""
    texts = (base64.b32encode(entropy.bytes(_BYTES)).decode() for _ in range(HOW_MANY))
    return ["-".join(text[i : i + 4] for i in range(0, len(text), 4)) for text in texts]


def hash_code(user: UserId, text: str) -> bytes | None:
    """What is stored of a code; None when the text cannot be one. A fast hash is right: 120 bits are not guessed."""
    code = text.replace(" ", "").replace("-", "").upper()
    if not code.isascii() or not _FORM.fullmatch(code):
        return None
    return hashlib.sha256(b"mailward recovery\0" + user.encode() + b"\0" + code.encode()).digest()
