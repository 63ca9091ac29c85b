"""Passwords: how strong, how stored. Hashing takes some 20 ms and 19 MiB: never in a transaction or on the loop."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from zxcvbn_rs_py import zxcvbn

from mailward.base.errors import Invalid
from mailward.base.sources import Entropy
from mailward.core.identity import breached

# OWASP's second choice for Argon2id: 19 MiB, 2 passes, 1 lane. A change here upgrades hashes at the next sign-in.
_MEMORY_KIB, _PASSES, _LANES = 19_456, 2, 1
_PARAMETERS = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$"

_LONGEST = 1024
"""Bytes. Longer ones are refused before any work is done on them."""
_LONG_ENOUGH = 12
_STRONG_ENOUGH = 3
WORDS_OF_THE_PLACE = ("mailward", "postmaster", "submission", "dashboard", "operator", "webhook", "admin", "smtp")
"""What anybody would try first here: a password has to be good enough without them."""
_PLACE = re.compile("|".join(WORDS_OF_THE_PLACE), re.IGNORECASE)


def hash_password(password: str, entropy: Entropy) -> str:
    """PHC string of an Argon2id hash with a salt of 16 bytes."""
    return _argon2(entropy.bytes(16)).derive_phc_encoded(password.encode())


def _argon2(salt: bytes) -> Argon2id:
    return Argon2id(salt=salt, length=32, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB)


def verify_password(password: str, stored: str) -> bool:
    """Does it match? Takes the same time for a wrong one. Never for an over-long one: that is no match."""
    if too_long(password):
        return False
    try:
        Argon2id.verify_phc_encoded(password.encode(), stored)
    except (InvalidKey, ValueError):
        return False
    return True


def needs_rehash(stored: str) -> bool:
    """Was it made with other parameters than today's?"""
    return not stored.startswith(_PARAMETERS)


def too_long(password: str) -> bool:
    """More bytes than we are willing to hash."""
    return len(password) > _LONGEST or len(password.encode("utf-8", "surrogatepass")) > _LONGEST


# What nobody's password hashes to; verifying against it makes an unknown address take as long as a known one.
NOBODY = _PARAMETERS + "bm9ib2R5bm9ib2R5bm9ibw$" + "A" * 43


def judge(password: str, *, about: Sequence[str] = ()) -> None:
    """Return when the password is good enough; Invalid with advice otherwise.

    `about` are words that belong to the person (address, name, workspace): using them is
    weak, so are words of the place, and so is what others are known to know (see `breached`).
    Offline, but it may read a file: beside the loop.
    """
    if too_long(password):
        raise Invalid("password_too_long", f"A password has at most {_LONGEST} bytes.", field="password")
    try:
        password.encode()
    except UnicodeEncodeError:
        raise Invalid("password_not_text", "The password is not valid text.", field="password") from None
    breached.refuse(password)
    words = [w for text in about for w in (text, *text.replace("@", " ").replace(".", " ").split()) if len(w) > 2]
    # zxcvbn's time grows with length; past 100 characters the rest adds nothing to the judgement.
    rest = _PLACE.sub("", password)
    found = zxcvbn(rest[:100], words)
    score = int(found.score)
    if len(rest) >= 8 and (score >= _STRONG_ENOUGH or (len(rest) >= _LONG_ENOUGH and score >= 2)):
        return
    raise Invalid("password_weak", _advice(password, found), field="password")


def _advice(password: str, found: object) -> str:
    feedback = getattr(found, "feedback", None)
    parts = []
    if feedback is not None and feedback.warning is not None:
        parts.append(str(feedback.warning).rstrip("."))
    elif len(password) < 8:
        parts.append("This password is too short")
    else:
        parts.append("This password is easy to guess")
    parts.append(f"Use {_LONG_ENOUGH} characters or more, such as four or five unrelated words")
    return ". ".join(parts) + "."
