"""What workers and the committing process say to each other: framed msgpack over a Unix socket.

A frame is a length (u32, network order) and a list. Workers send entries, the committer
sends an answer for each, in any order. Both ends are processes of one installation that
started together from one version; there is no compatibility to keep.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from mailward.base import errors
from mailward.base.errors import MailwardError, Unavailable

_LENGTH = struct.Struct(">I")
NIL = msgspec.Raw(b"\xc0")
MAX_RECORD = 4 << 20
"""Larger bodies do not travel: their process commits them itself."""
GREETING = 0
"""The number of an answer that nobody asked for: who serves here says which one it is."""
IN_STEP = -1
"""Another: whether a whole crowd is waited for now, so that what it brings may as well come together."""


class SharedVerb(NamedTuple):
    """A list verb that another process may run for us.

    `landed` looks which items are already recorded: for each a result, or None. It is
    asked when an answer was lost, before anything is run a second time.
    """

    name: str
    verb: Callable[[Any, list[Any]], Awaitable[Sequence[Any]]]
    item: Any
    result: Any
    landed: Callable[[Any, list[Any]], Awaitable[Sequence[Any]]]
    bodied: bool


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One item: its number on this connection, the verb, the workspace, the item, its sealed body."""

    number: int
    verb: str
    workspace: bytes | None
    item: msgspec.Raw
    record: bytes | None


class Fault(msgspec.Struct, array_like=True, frozen=True):
    """An error of ours as it travels: its class, and what it says."""

    kind: str
    facts: dict[str, Any]


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What became of an item: its result (nil beside a fault), or a fault."""

    number: int
    result: msgspec.Raw
    fault: Fault | None


_encoder = msgspec.msgpack.Encoder()
_encode = _encoder.encode
_HEAD = bytes(_LENGTH.size)
_ENTRIES = msgspec.msgpack.Decoder(list[Entry])
_ANSWERS = msgspec.msgpack.Decoder(list[Answer])


def pack(item: object) -> msgspec.Raw:
    """An item or a result, encoded by its own."""
    return msgspec.Raw(_encode(item))


def frame(parts: Sequence[Entry] | Sequence[Answer]) -> bytearray:
    """A whole frame. It is not copied once more to have its length before it: bodies travel in here."""
    out = bytearray(_HEAD)
    _encoder.encode_into(parts, out, len(_HEAD))
    _LENGTH.pack_into(out, 0, len(out) - len(_HEAD))
    return out


class Unframer:
    """Octets in, decoded frames out."""

    __slots__ = ("_decoder", "_held", "_need", "_parts")

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._parts: list[bytes] = []
        self._held = 0
        self._need = 4

    @classmethod
    def entries(cls) -> Unframer:
        """For the committer's end."""
        return cls(_ENTRIES)

    @classmethod
    def answers(cls) -> Unframer:
        """For a worker's end."""
        return cls(_ANSWERS)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Any]:
        """Everything that is complete now.

        `data` may be memory that is used again for the next: what is kept of it is copied, but for the encoded items
        and results of what is returned, which are to be decoded before that.
        """
        whole = memoryview(data)
        if self._held or len(whole) < self._need:
            self._parts.append(bytes(whole))
            self._held += len(whole)
            if self._held < self._need:
                return []
            whole = memoryview(b"".join(self._parts))
        out: list[Any] = []
        position = 0
        while len(whole) - position >= 4:
            (length,) = _LENGTH.unpack_from(whole, position)
            end = position + 4 + length
            if len(whole) < end:
                break
            out += self._decoder.decode(whole[position + 4 : end])
            position = end
        rest = bytes(whole[position:])
        self._parts = [rest] if rest else []
        self._held = len(rest)
        self._need = 4 + _LENGTH.unpack_from(rest)[0] if len(rest) >= 4 else 4
        return out


def fault_of(error: BaseException) -> Fault:
    """An error for the wire. What is not ours becomes Unavailable: nothing was accepted."""
    if not isinstance(error, MailwardError):
        error = Unavailable(
            "storage_unavailable",
            "The message could not be stored now; please try again later.",
            detail=type(error).__name__,
        )
    return Fault(type(error).__name__, dict(error.__dict__))


def error_of(fault: Fault, others: dict[str, type[MailwardError]]) -> MailwardError:
    """It again. `others` are classes by name that are not in `base.errors`."""
    kind = others.get(fault.kind) or getattr(errors, fault.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, MailwardError)):
        kind = Unavailable
    return errors.restored(kind, fault.facts)
