"""Time-based one-time passwords (RFC 6238): six digits, 30 seconds, SHA-1, as every authenticator app has them."""

from __future__ import annotations

import base64
import hmac
import re
from datetime import datetime

from mailward.base.sources import Entropy

STEP_SECONDS = 30
WINDOW = 1
"""Steps before and after now that are taken: clocks of phones are off by seconds, not by minutes."""
_SECRET_BYTES = 20
_DIGITS = re.compile(r"[0-9]{6}")


def new_secret(entropy: Entropy) -> bytes:
    """160 random bits, the length of the hash (RFC 4226 section 4, R6)."""
    return entropy.bytes(_SECRET_BYTES)


def shown(secret: bytes) -> str:
    """The secret as people type it into an app: base32."""
    return base64.b32encode(secret).decode()


def uri(secret: bytes, account: str, issuer: str) -> str:
    """What the QR code says."""
    import pyotp

    return pyotp.TOTP(shown(secret)).provisioning_uri(name=account, issuer_name=issuer)


def six_digits(text: str) -> str | None:
    """A code as typed, without its blanks; None for anything but six ASCII digits.

    Every spelling of a code becomes the same six digits before it is looked at, and what
    is remembered as used is the time step and not the text: no spelling works again.
    """
    code = text.replace(" ", "")
    return code if _DIGITS.fullmatch(code) and code.isascii() else None


def step_of(secret: bytes, code: str, *, now: datetime) -> int | None:
    """The time step a code belongs to, among those the window allows; None when it fits none.

    The caller must still refuse a step that is not above the last one used: that is what
    stops a replay, and a clock that was set back.
    """
    import pyotp

    hotp, at = pyotp.HOTP(shown(secret)), int(now.timestamp()) // STEP_SECONDS
    found = None
    # All of the window is computed each time: the answer's time does not say which step it was.
    for step in range(at - WINDOW, at + WINDOW + 1):
        if step >= 0 and hmac.compare_digest(hotp.at(step), code):
            found = step
    return found
