"""Checkpoints (C2SP tlog-checkpoint): what a log says about its tree, as the text of a signed note."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from mailward.protocol.merkle.note import NoteError, VerifierKey, open_note, sign_note, split_note


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree named `origin` has `size` leaves and this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Three lines: origin, size in decimal, root in base64."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """The text of a checkpoint; extension lines after the third are allowed and ignored. NoteError otherwise."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise NoteError("not a checkpoint")
    origin, size, root = lines[:3]
    if not (size.isascii() and size.isdigit()) or (len(size) > 1 and size[0] == "0") or len(size) > 19:
        raise NoteError("the size of a checkpoint is a decimal number")
    try:
        raw = base64.b64decode(root, validate=True)
    except binascii.Error:
        raise NoteError("the root of a checkpoint is base64") from None
    if len(raw) != 32:
        raise NoteError("the root of a checkpoint has 32 bytes")
    return Checkpoint(origin, int(size), raw)


def sign_checkpoint(checkpoint: Checkpoint, public_key: bytes, sign: Callable[[bytes], bytes]) -> str:
    """A signed note. The key's name is the origin, as the specification asks."""
    return sign_note(checkpoint.text(), VerifierKey(checkpoint.origin, public_key), sign)


def open_checkpoint(note: str, public_key: bytes, *, origin: str | None = None) -> Checkpoint:
    """The checkpoint, once its signature verifies; NoteError when it does not, or names another tree than `origin`."""
    claimed = parse_checkpoint(split_note(note)[0])
    if origin is not None and claimed.origin != origin:
        raise NoteError("the checkpoint is of another log")
    return parse_checkpoint(open_note(note, VerifierKey(claimed.origin, public_key)))
