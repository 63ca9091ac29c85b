"""What a message's own header says of tracking:

    X-Mailward-Tracking: off              or opens, clicks, both

It counts more than what its stream, its domain and its workspace say, and never leaves.
"""

from __future__ import annotations

from mailward.base.errors import Invalid
from mailward.protocol.message import headers

TRACKING = b"x-mailward-tracking"
WORDS = frozenset(("off", "opens", "clicks", "both"))


def read(raw: bytes, earlier: str) -> str:
    """The word of one field. `earlier` is that of another such field before it.

    Raises Invalid `tracking_invalid` for another word, and for two fields that disagree.
    """
    word = headers.value(raw).decode("ascii", "replace").strip().lower()
    if word not in WORDS or earlier not in ("", word):
        raise Invalid(
            "tracking_invalid",
            "X-Mailward-Tracking says off, opens, clicks or both, once.",
            field="x-mailward-tracking",
        )
    return word
