"""Signed notes (C2SP signed-note): text, a blank line, and a line for each signature.

A verifier key is `<name>+<key id>+<base64(algorithm || public key)>`; the key id is the
first four bytes of SHA-256(name || LF || algorithm || public key). Algorithm 1 is Ed25519.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_ED25519 = b"\x01"
_DASH = "\u2014 "
_MAX_BYTES = 64 * 1024


class NoteError(ValueError):
    """Not a signed note, or not signed by the key that was asked for."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and an Ed25519 public key of 32 raw bytes."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that tell signatures apart; no security rests on them."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @staticmethod
    def parse(text: str) -> VerifierKey:
        """From `name+id+base64`. NoteError when it is not one, or its id does not belong to it."""
        try:
            name, id, encoded = text.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            raise NoteError("not a verifier key") from None
        if len(raw) != 33 or raw[:1] != _ED25519 or not _good_name(name):
            raise NoteError("not an Ed25519 verifier key")
        key = VerifierKey(name, raw[1:])
        if key.id.hex() != id:
            raise NoteError("the key id does not belong to the key")
        return key


def _good_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)


def sign_note(text: str, key: VerifierKey, sign: Callable[[bytes], bytes]) -> str:
    """The note with one signature. `text` ends with a newline and holds no other control character."""
    if not text.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in text) or not _good_name(key.name):
        raise NoteError("this text cannot be signed as a note")
    signature = base64.b64encode(key.id + sign(text.encode())).decode()
    return f"{text}\n{_DASH}{key.name} {signature}\n"


def open_note(note: str, key: VerifierKey) -> str:
    """The text, once a signature of `key` over it verifies. Signatures by others are passed over.

    NoteError when the note is malformed, has no signature by the key, or a wrong one.
    """
    text, signatures = split_note(note)
    for name, raw in signatures:
        if name == key.name and raw[:4] == key.id:
            try:
                Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], text.encode())
            except (InvalidSignature, ValueError):
                raise NoteError("the signature is wrong") from None
            return text
    raise NoteError("there is no signature by this key")


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Text (with its last newline) and (name, key id || signature) of each signature line, nothing verified."""
    if len(note) > _MAX_BYTES or any(ord(c) < 0x20 and c != "\n" for c in note):
        raise NoteError("not a note")
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteError("a note has a blank line before its signatures")
    signatures = []
    for line in tail[:-1].split("\n"):
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space or not _good_name(name):
            raise NoteError("a signature line is malformed")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise NoteError("a signature line is malformed") from None
        if len(raw) < 5:
            raise NoteError("a signature line is malformed")
        signatures.append((name, raw))
    return text + "\n", signatures
