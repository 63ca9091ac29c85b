"""What is kept of an answer for whoever asks again under the same idempotency key: ids and states, never an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from mailward.base.errors import Conflict
from mailward.core.messages.model import DeliveryState
from mailward.core.submission.model import Idempotency, Receipt, Submission
from mailward.core.submission.ports import SubmissionTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission


class _Kept(msgspec.Struct, array_like=True):
    """An accepted message."""

    id: bytes
    states: tuple[DeliveryState, ...]
    scheduled: bool = False


_encode = msgspec.msgpack.Encoder().encode
_ONE = msgspec.msgpack.Decoder(_Kept)
_SEVERAL = msgspec.msgpack.Decoder(list[_Kept | bytes])


async def earlier(
    tx: SubmissionTx, actor: Actor, key: Idempotency, *, several: bool, now: int
) -> list[Receipt | bytes] | None:
    """What was answered to this very request before, None when it is new. Conflict when the key was another's.

    `several`: the request is one of many messages. Asked before a request is judged, so that a repeat is answered as
    it was even where the same would be refused by now.
    """
    access.require(actor, Permission.MESSAGE_SEND)
    found = await tx.messages.kept_answer(key.key, now)
    if found is None:
        return None
    body, answer = found
    if body != key.body:
        raise reused()
    return answers_in(answer, several=several)


def answers_in(answer: bytes, *, several: bool) -> list[Receipt | bytes]:
    """Of one message, or of many."""
    if not several:
        return [one(answer)]
    return [a if isinstance(a, bytes) else _receipt(a) for a in _SEVERAL.decode(answer)]


def of_one(s: Submission, states: tuple[DeliveryState, ...]) -> bytes:
    """The answer to a request of one message."""
    return _encode(_Kept(s.id, states, bool(s.facts.due)))


def of_several(made: Sequence[tuple[Submission, tuple[DeliveryState, ...]]], others: Mapping[int, bytes]) -> bytes:
    """The answer to a request of many: `others` are the places that brought no message."""
    kept = iter(made)
    found: list[_Kept | bytes] = []
    for place in range(len(made) + len(others)):
        if place in others:
            found.append(others[place])
        else:
            s, states = next(kept)
            found.append(_Kept(s.id, states, bool(s.facts.due)))
    return _encode(found)


def one(answer: bytes) -> Receipt:
    """The receipt of a request of one message."""
    return _receipt(_ONE.decode(answer))


def several(answer: bytes) -> list[Receipt | bytes]:
    """The receipts of a request of many, and what stood in its other places."""
    return answers_in(answer, several=True)


def reused() -> Conflict:
    """The refusal of a key that another request had."""
    return Conflict(
        "idempotency_key_reused",
        "This Idempotency-Key was used with a different request in the last 24 hours. Use a new key.",
    )


def _receipt(kept: _Kept) -> Receipt:
    return Receipt(kept.id, kept.states, replayed=True, scheduled=kept.scheduled)
