"""Codes in what servers say: SMTP reply codes, enhanced status codes, and which of several counts."""

from __future__ import annotations

import re
from typing import NamedTuple

# RFC 3463: class, subject 0 to 7, detail. Neither part of an IP address or version nor of a longer number.
_ENHANCED = re.compile(r"(?<![\w.])([245])\.([0-7])\.(\d{1,3})(?!\.?\d)")
_REPLY = re.compile(
    r"(?<![\w.:/+-])(4(?:21|3[0-2]|4[0-3567]|5\d|7\d|99)|5(?:0[0-5]|1[0-3]|2[13]|3\d|4[0-7]|5\d|6[05]|7[0-9]|8[27]|9\d))"
    r"(?=[ \-:;,#(\])\n\r]|$)"
)
# A status where RFC 2034 puts it, right behind its reply: the two were said together.
_DIRECT = re.compile(r"(?<![\w.:/+-])[45]\d\d[ -]{1,2}[#(]{0,2}([45])\.([0-7])\.(\d{1,3})(?!\.?\d)")
_STATUS_FIELD = re.compile(r"\s*([245])\s*\.\s*(\d{1,3})\s*\.\s*(\d{1,3})")


class Codes(NamedTuple):
    """What a text holds: the first SMTP reply code of class 4 or 5 (0: none), and every enhanced code in order.

    `direct` is the first enhanced code that stands right behind a reply code, or "".
    """

    reply: int
    enhanced: tuple[str, ...]
    direct: str = ""

    @property
    def temporary(self) -> bool:
        """Whether the text's own codes say that it may work later."""
        if self.reply:
            return self.reply < 500
        return bool(self.enhanced) and self.enhanced[0][0] == "4"


def find(text: str) -> Codes:
    """The codes in a text of bounded length."""
    reply = _REPLY.search(text)
    enhanced = [f"{m[1]}.{int(m[2])}.{int(m[3])}" for m in _ENHANCED.finditer(text)]
    direct = _DIRECT.search(text)
    return Codes(
        int(reply[1]) if reply else 0,
        tuple(e for e in enhanced if e[0] != "2"),
        f"{direct[1]}.{int(direct[2])}.{int(direct[3])}" if direct else "",
    )


def field(value: str) -> str:
    """The code of a Status field (RFC 3464 section 2.3.4), or "" when it holds none."""
    match = _STATUS_FIELD.match(value)
    return f"{match[1]}.{int(match[2])}.{int(match[3])}" if match else ""


def vague(code: str) -> bool:
    """Whether a code says no more than its class, or class and subject."""
    return not code or code.endswith(".0")


def prefer(status: str, said: Codes) -> str:
    """The code that counts: the Status field's, unless what the server said is more exact or contradicts its class.

    Generators often write x.0.0, or a code of their own, beside a reply that is first-hand.
    """
    own = [c for c in said.enhanced if not said.reply or c[0] == str(said.reply)[0]]
    exact = next((c for c in own if not vague(c)), own[0] if own else "")
    if not status:
        return exact
    if not exact or exact == status:
        return status
    if said.reply and status[0] != str(said.reply)[0]:
        return exact
    if status[0] != exact[0]:
        return status if not vague(status) else exact
    if said.direct == exact and not vague(exact):
        return exact
    if status.endswith(".0.0") or (vague(status) and not vague(exact)):
        return exact
    # "Delivery time expired" and "not accepting" are what a queue concludes; the reply inside says why.
    return exact if status in ("4.4.7", "5.4.7", "5.3.0", "5.5.0", "4.4.0") and not vague(exact) else status
