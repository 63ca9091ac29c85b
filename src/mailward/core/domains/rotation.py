"""When keys move on: pure, so that a year of rotation is a loop in a test.

At every moment the ACTIVE pair is one that DNS was seen to show, and its predecessor's
record stays needed for seven days after it stopped signing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mailward.base.errors import Conflict
from mailward.core.domains.model import (
    KEEP_OLD_SELECTOR,
    KEEP_REVOKED,
    KEY_TRANSITIONS,
    ROTATE_EVERY,
    SETTLE_AT_LEAST,
    Inspection,
    KeyPair,
    KeyState,
)

WAITING = frozenset({KeyState.PUBLISHING, KeyState.SEEN})


def move(pair: KeyPair, state: KeyState, *, now: datetime) -> KeyPair:
    """The pair in another state; Conflict when the table has no such move."""
    if state not in KEY_TRANSITIONS[pair.state]:
        raise Conflict("illegal_transition", f"A {pair.state.value} key cannot become {state.value}.")
    return replace(pair, state=state, changed=now)


def active(pairs: Iterable[KeyPair]) -> KeyPair | None:
    """The pair that signs."""
    return next((p for p in pairs if p.state is KeyState.ACTIVE), None)


def advance(pairs: Sequence[KeyPair], inspection: Inspection | None, *, now: datetime) -> list[KeyPair]:
    """The pairs that change at this time, given what DNS shows (None: nobody looked). Order matters not."""
    changed: list[KeyPair] = []
    signing = active(pairs)
    for pair in pairs:
        shown = inspection.shown.get(pair.id, "unknown") if inspection is not None else "unknown"
        match pair.state:
            case KeyState.PUBLISHING if shown == "shown" and signing is None:
                # The first pair: nothing older is remembered anywhere.
                signing = move(pair, KeyState.ACTIVE, now=now)
                changed.append(signing)
            case KeyState.PUBLISHING if shown == "shown":
                ttl = inspection.ttl.get(pair.id, 0) if inspection is not None else 0
                wait = max(SETTLE_AT_LEAST, timedelta(seconds=ttl))
                changed.append(replace(move(pair, KeyState.SEEN, now=now), wait=wait))
            case KeyState.SEEN if shown == "absent":
                changed.append(move(pair, KeyState.PUBLISHING, now=now))
            case KeyState.SEEN if shown == "shown" and now >= pair.changed + pair.wait:
                changed.append(move(pair, KeyState.ACTIVE, now=now))
                if signing is not None:
                    changed.append(move(signing, KeyState.RETIRING, now=now))
                    signing = None
            case KeyState.RETIRING if now >= pair.changed + KEEP_OLD_SELECTOR:
                revoked = move(pair, KeyState.REVOKED, now=now)
                changed.append(replace(revoked, rsa_sealed=b"", ed25519_sealed=b""))
            case KeyState.REVOKED if now >= pair.changed + KEEP_REVOKED:
                changed.append(move(pair, KeyState.REMOVED, now=now))
            case _:
                pass
    return changed


def rotation_due(pairs: Iterable[KeyPair], *, now: datetime) -> bool:
    """True when the signing pair has signed for its time and no successor is on its way."""
    due = rotation_due_at(pairs)
    return due is not None and now >= due


def rotation_due_at(pairs: Iterable[KeyPair]) -> datetime | None:
    """When the signing pair will have signed for its time; None without one, or while a successor is on its way."""
    pairs = list(pairs)
    signing = active(pairs)
    if signing is None or any(p.state in WAITING for p in pairs):
        return None
    return signing.changed + ROTATE_EVERY
