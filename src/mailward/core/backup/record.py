"""A signed record as it lies beside the parts it names: one line of JSON, and one with its signature."""

from __future__ import annotations

import base64
import binascii
from typing import Generic, Protocol, TypeVar

import msgspec

from mailward.base.errors import Corrupt
from mailward.core.backup.ports import ManifestSigner


class _Named(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Named)


class SignedForm(Generic[T]):
    """How records of one kind are written and read. `context` keeps a signature from serving another kind."""

    def __init__(self, kind: type[T], *, context: bytes, what: str) -> None:
        """`what` begins the sentence that says that a record is not as it was written."""
        self._decoder = msgspec.json.Decoder(kind)
        self._context = context
        self._what = what

    def write(self, record: T, signer: ManifestSigner) -> bytes:
        """The file."""
        body = msgspec.json.encode(record, order="sorted")
        return body + b"\n" + base64.b64encode(signer.sign(self._context + body)) + b"\n"

    def read(self, data: bytes, signer: ManifestSigner, *, id: str) -> T:
        """The record of that id. Corrupt when the signature is not ours, or it was put under another's name."""
        body, _, rest = data.partition(b"\n")
        try:
            signature = base64.b64decode(rest.strip(), validate=True)
        except binascii.Error:
            raise self._corrupt("no signature") from None
        if not signer.verify(signature, self._context + body):
            raise self._corrupt("the signature is not this installation's")
        record = self.peek(body)
        if record.id != id:
            raise self._corrupt("it is the record of another one")
        return record

    def peek(self, data: bytes) -> T:
        """What a record says, its signature not looked at: for the wrapped secrets, which prove themselves."""
        try:
            return self._decoder.decode(data.partition(b"\n")[0])
        except msgspec.MsgspecError:
            raise self._corrupt("not readable") from None

    def _corrupt(self, why: str) -> Corrupt:
        return Corrupt("backup_corrupt", f"{self._what} is not as it was written.", detail=why)
