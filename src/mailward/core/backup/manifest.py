"""A manifest as it lies beside the parts: one line of JSON, and one with its signature."""

from __future__ import annotations

import base64
import binascii

import msgspec

from mailward.base.errors import Corrupt
from mailward.core.backup.model import Manifest
from mailward.core.backup.ports import ManifestSigner

_CONTEXT = b"mailward backup manifest\x00"
_decode = msgspec.json.Decoder(Manifest).decode


def write_manifest(manifest: Manifest, signer: ManifestSigner) -> bytes:
    """The file."""
    body = msgspec.json.encode(manifest, order="sorted")
    return body + b"\n" + base64.b64encode(signer.sign(_CONTEXT + body)) + b"\n"


def read_manifest(data: bytes, signer: ManifestSigner, *, id: str) -> Manifest:
    """The manifest of that id. Corrupt when the signature is not ours, or it was put under another's name."""
    body, _, rest = data.partition(b"\n")
    try:
        signature = base64.b64decode(rest.strip(), validate=True)
    except binascii.Error:
        raise _corrupt("no signature") from None
    if not signer.verify(signature, _CONTEXT + body):
        raise _corrupt("the signature is not this installation's")
    manifest = peek(body)
    if manifest.id != id:
        raise _corrupt("it is the manifest of another backup")
    return manifest


def peek(data: bytes) -> Manifest:
    """What a manifest says, its signature not looked at: for the wrapped secrets, which prove themselves."""
    try:
        return _decode(data.partition(b"\n")[0])
    except msgspec.MsgspecError:
        raise _corrupt("not readable") from None


def _corrupt(why: str) -> Corrupt:
    return Corrupt("backup_corrupt", "The manifest of this backup is not as it was written.", detail=why)
