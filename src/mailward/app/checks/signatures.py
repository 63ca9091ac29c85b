"""A reading of DKIM signatures of its own (RFC 6376, RFC 8463), apart from the code that makes them.

It knows nothing of what that code means to sign: what a signature covers is read from its h=, and shown by changing
the message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

RSA, ED25519 = "rsa-sha256", "ed25519-sha256"
LEAST_BITS = 2048
# What a reader is shown, or a program obeys: of none of these may a second one slip in unnoticed.
GUARDED = (
    "From", "Subject", "To", "Cc", "Reply-To", "Date", "Message-ID", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding", "Content-Disposition", "Content-ID", "Content-Description", "List-Unsubscribe",
    "List-Unsubscribe-Post",
)  # fmt: skip


@dataclass(frozen=True)
class Letter:
    """A message as it lies on the wire: fields from top to bottom, values of one line, and a body in CRLF."""

    fields: tuple[tuple[str, str], ...]
    body: bytes

    def content(self) -> bytes:
        """Its octets."""
        return b"".join(f"{name}: {value}\r\n".encode() for name, value in self.fields) + b"\r\n" + self.body


def letter(domain: str, names: tuple[str, ...] = GUARDED) -> Letter:
    """A message of this domain that has one field of each of these names."""
    values = {"From": f"verify@{domain}", "Subject": "A check", "MIME-Version": "1.0", "Content-Type": "text/plain"}
    body = b"A message that is signed to see whether its signatures hold.\r\n"
    return Letter(tuple((name, values.get(name, "<value@verify.invalid>")) for name in names), body)


def forged(whole: Letter) -> dict[str, Letter]:
    """What a thief makes of a message that he holds, each by what he changed; no signature may survive any of it."""
    subject = [(n, "Another" if n == "Subject" else v) for n, v in whole.fields]
    out = {
        "a changed Subject": replace(whole, fields=tuple(subject)),
        "no From": replace(whole, fields=tuple(f for f in whole.fields if f[0] != "From")),
        "a changed body": replace(whole, body=whole.body.replace(b"message", b"missive")),
        "a longer body": replace(whole, body=whole.body + b"And a line.\r\n"),
    }
    for name in GUARDED:
        another = (name, "<thief@verify.invalid>")
        out[f"a second {name} above"] = replace(whole, fields=(another, *whole.fields))
        out[f"a second {name} below"] = replace(whole, fields=(*whole.fields, another))
    return out


def split(made: bytes) -> list[bytes]:
    """The DKIM-Signature fields that stand one behind the other."""
    return [f for f in re.split(rb"(?m)^(?=DKIM-Signature:)", made) if f]


def uncovered(signature: bytes, letter: Letter) -> list[str]:
    """Names of which a second one would not be noticed: h= must list each once more than the message has it."""
    listed = Counter(name.lower() for name in _tags(signature).get("h", "").split(":"))
    there = Counter(name.lower() for name, _ in letter.fields)
    return [name for name in GUARDED if listed[name.lower()] <= there[name.lower()]]


def holds(signature: bytes, letter: Letter, domain: str, keys: list[bytes]) -> str | None:
    """The algorithm by which the field verifies over this message for this domain (RFC 6376 section 6.1), or None.

    `keys` as they are published: 32 octets of Ed25519, or SubjectPublicKeyInfo of RSA. Without From in h=
    (section 5.4), with l=, or under a key of less than 2048 bits nothing verifies.
    """
    tags = _tags(signature)
    names = tags.get("h", "").lower().split(":")
    if "l" in tags or "from" not in names or tags.get("d") != domain or tags.get("c") != "relaxed/relaxed":
        return None
    if tags.get("bh") != base64.b64encode(hashlib.sha256(letter.body).digest()).decode():
        return None
    left = [(name.lower(), value) for name, value in letter.fields]
    data = ""
    for name in names:
        # Section 5.4.2: the lowest that is left; a name without a field adds nothing.
        at = next((k for k in reversed(range(len(left))) if left[k][0] == name), None)
        if at is not None:
            data += f"{name}:{left.pop(at)[1]}\r\n"
    own = re.sub(r"[ \t\r\n]+", " ", signature.partition(b":")[2].decode()).strip()
    data += "dkim-signature:" + re.sub(r"(\bb=)[^;]*$", r"\1", own)
    try:
        proof = base64.b64decode(tags.get("b", ""))
    except binascii.Error:
        return None
    algorithm = tags.get("a", "")
    return algorithm if any(_signed(algorithm, key, proof, data.encode()) for key in keys) else None


def _tags(signature: bytes) -> dict[str, str]:
    value = re.sub(rb"[ \t\r\n]+", b"", signature.partition(b":")[2]).decode("ascii", "replace")
    return dict(re.findall(r"([a-z]+)=([^;]*)", value))


def _signed(algorithm: str, key: bytes, proof: bytes, data: bytes) -> bool:
    try:
        if algorithm == ED25519 and len(key) == 32:
            # RFC 8463 section 3: the signature is over the hash.
            Ed25519PublicKey.from_public_bytes(key).verify(proof, hashlib.sha256(data).digest())
            return True
        if algorithm == RSA and len(key) > 32:
            public = load_der_public_key(key)
            if not isinstance(public, RSAPublicKey) or public.key_size < LEAST_BITS:
                return False
            public.verify(proof, data, padding.PKCS1v15(), SHA256())
            return True
    except InvalidSignature:
        return False
    return False
