"""What anyone may know of the controls, as one document, and its signature."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mailward.core.evidence.model import Change, Control, Line, Run, State

VERSION = 1
_SENTENCES = {
    State.PROVED: "Every check ran and held, and nothing is known to be missing.",
    State.PARTLY: "Its checks held; a part is missing.",
    State.FAILING: "A check found it broken.",
    State.NOT_CONFIGURED: "There is nothing here to check.",
    State.OPERATOR_DUTY: "Only the people who run this installation can keep it.",
    State.PLANNED: "No check proves this. Nothing is claimed.",
    State.NOT_REACHED: "The time for the run was up before its checks had ended.",
}


class Stated(NamedTuple):
    """The operator's own word on a control, and its date."""

    control: str
    text: str
    on: str


class Signer(Protocol):
    """The key of the audit log."""

    @property
    def public_key(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


def document(
    controls: Sequence[Control],
    lines: Sequence[Line],
    guards: Mapping[str, Sequence[str]],
    statements: Sequence[Stated],
    runs: Sequence[Run],
    changes: Sequence[Change],
    *,
    issuer: str,
    version: str,
    looks: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every control with its state, its checks' results and times, and the test that guards it. No evidence is in it:
    that may count and name what is inside. A control that never ran stands where it would without a finding.
    `looks` are the registers of reviews and advisories, as `app.public.looks` tells them.
    """
    known = {line.id: line for line in lines}
    said: dict[str, list[dict[str, str]]] = {}
    for s in statements:
        said.setdefault(s.control, []).append({"text": s.text, "on": s.on})
    return {
        "v": VERSION,
        "issuer": issuer,
        "program": version,
        "at": _text(runs[0].at) if runs else "",
        "runs": [{"at": _text(r.at), "summary": dict(r.summary)} for r in runs],
        "changes": [{"control": c.control, "at": _text(c.at), "state": c.state.value} for c in changes],
        **(looks or {}),
        "controls": [_control(c, known.get(c.id), guards.get(c.id, ()), said.get(c.id, [])) for c in controls],
    }


def _control(
    control: Control, line: Line | None, guards: Sequence[str], statements: list[dict[str, str]]
) -> dict[str, Any]:
    if line is None:
        state = State.OPERATOR_DUTY if control.duty and not control.missing else State.PLANNED
    else:
        state = line.state
    # A check that is gone from the program leaves a line behind: what was found then is no claim of this program.
    return {
        "id": control.id,
        "claim": control.claim,
        "state": state.value,
        "meaning": _SENTENCES[state],
        "at": _text(line.at) if line else "",
        "checks": [{"name": r.name, "about": r.about, "result": r.result.value} for r in (line.ran if line else ())],
        "missing": control.missing,
        "duty": control.duty,
        "guards": list(guards),
        "statements": statements,
    }


def canonical(value: Any) -> bytes:
    """RFC 8785 for what a document holds: text, whole numbers, lists and objects with ASCII names."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed(doc: dict[str, Any], signer: Signer) -> bytes:
    """The file that is published: the document, and a JWS over its canonical form with the payload left out
    (RFC 7515 appendix F, RFC 9864).
    """
    header = _b64(canonical({"alg": "Ed25519", "kid": key_id(signer.public_key), "typ": "mailward-trust+json"}))
    signature = _b64(signer.sign(f"{header}.{_b64(canonical(doc))}".encode()))
    return json.dumps({"document": doc, "signature": f"{header}..{signature}"}, ensure_ascii=False, indent=1).encode()


class NotGenuine(Exception):
    """The file is not what the holder of the key signed; the text says what is wrong."""


def verify_file(content: bytes, public_key: bytes) -> dict[str, Any]:
    """The document of a published file. Raises NotGenuine unless this Ed25519 key (32 octets) signed exactly it."""
    try:
        file = json.loads(content)
        doc = file["document"]
        header, payload, signature = file["signature"].split(".")
        fields = json.loads(_unb64(header))
        raw = _unb64(signature)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotGenuine("this is not a file of /trust.json") from None
    if not isinstance(fields, dict) or fields.get("alg") != "Ed25519" or payload or not isinstance(doc, dict):
        raise NotGenuine("the signature is of another kind")
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(raw, f"{header}.{_b64(canonical(doc))}".encode())
    except (InvalidSignature, ValueError):
        raise NotGenuine("the signature does not match: another key signed, or a byte was changed") from None
    return doc


def jwk(public_key: bytes) -> dict[str, str]:
    """The key as RFC 8037 writes it."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _b64(public_key),
        "use": "sig",
        "alg": "Ed25519",
        "kid": key_id(public_key),
    }


def read_key(text: bytes) -> bytes:
    """The 32 octets of a key: from its JWK, a set of one, a PEM file, or base64. ValueError otherwise."""
    if text.lstrip().startswith(b"{"):
        value = json.loads(text)
        value = value["keys"][0] if isinstance(value, dict) and "keys" in value else value
        if not isinstance(value, dict) or value.get("crv") != "Ed25519":
            raise ValueError("not an Ed25519 key")
        return _unb64(str(value["x"]))
    if b"BEGIN PUBLIC KEY" in text:
        body = b"".join(line for line in text.splitlines() if not line.startswith(b"-----"))
        return base64.b64decode(body)[-32:]
    return _unb64(text.strip().decode("ascii"))


def key_id(public_key: bytes) -> str:
    """The thumbprint of RFC 7638."""
    import hashlib

    return _b64(hashlib.sha256(canonical({"crv": "Ed25519", "kty": "OKP", "x": _b64(public_key)})).digest())


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(
        text.replace("+", "-").replace("/", "_").rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    )


def _text(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
