"""The published document verifies with public tools alone, and says no more than anyone may know."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import OKPKey

from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.guards import GUARDS
from mailward.core.evidence.model import Control, Line, Ran, Result, Run, State
from mailward.core.evidence.publish import (
    NotGenuine,
    Stated,
    canonical,
    document,
    jwk,
    read_key,
    signed,
    verify_file,
)

pytestmark = pytest.mark.claim("TRUST-1")

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Key:
    """Stands for the log's signer."""

    def __init__(self) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        self.public_key = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


def made() -> dict[str, Any]:
    ran = Ran("look", "Look at A.", Result.PASSED, "secret place /srv/a holds 3 rows")
    line = Line("A-1", State.PARTLY, "A holds.", (ran.evidence,), "a part", "", NOW, (ran,))
    controls = [Control("A-1", "A holds.", missing="a part"), Control("A-2", "Später: B.")]
    run = Run(NOW, "schedule", {"partly_proved": 1})
    return document(
        controls, [line], {"A-1": ("tests/a.py",)}, [Stated("A-2", "We did.", "2026-01-01")], [run], [],
        issuer="https://mail.example", version="1",
    )  # fmt: skip


def test_an_outside_library_verifies_it() -> None:
    """joserfc, given the published key and the canonical document as payload, accepts the signature."""
    key = Key()
    file = json.loads(signed(made(), key))
    header, _, signature = file["signature"].split(".")
    payload = base64.urlsafe_b64encode(canonical(file["document"])).rstrip(b"=").decode()
    opened = jws.deserialize_compact(
        f"{header}.{payload}.{signature}", OKPKey.import_key({**jwk(key.public_key)}), algorithms=["Ed25519"]
    )
    assert json.loads(opened.payload)["controls"][0]["id"] == "A-1"


def test_a_changed_byte_fails() -> None:
    """As does another key, another algorithm, and what is no such file."""
    key = Key()
    file = signed(made(), key)
    assert verify_file(file, key.public_key)["issuer"] == "https://mail.example"
    for wrong in (file.replace(b"partly_proved", b"proved_partly", 1), b"{}", b"[]", file[:-9], b'{"document":1}'):
        with pytest.raises(NotGenuine):
            verify_file(wrong, key.public_key)
    with pytest.raises(NotGenuine):
        verify_file(file, bytes(32))


def test_a_key_is_read_in_each_form() -> None:
    """JWK, a set, PEM, base64."""
    key = Key()
    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    one = json.dumps(jwk(key.public_key)).encode()
    for text in (one, b'{"keys":[' + one + b"]}", pem, base64.b64encode(key.public_key)):
        assert read_key(text) == key.public_key


def test_evidence_stays_inside() -> None:
    """The page has what a check does and its result; what it saw is for who runs the installation."""
    doc = made()
    assert "secret place" not in json.dumps(doc)
    a, b = doc["controls"]
    assert (a["state"], a["checks"]) == (
        "partly_proved",
        [{"name": "look", "about": "Look at A.", "result": "passed"}],
    )
    assert (b["state"], b["meaning"], b["statements"]) == (
        "planned",
        "No check proves this. Nothing is claimed.",
        [{"text": "We did.", "on": "2026-01-01"}],
    )


def test_guards_exist_and_claim_it() -> None:
    """Each listed test file is there and carries the promise's mark; only promises of the catalogue are listed."""
    root = Path(__file__).resolve().parents[3]
    assert set(GUARDS) <= {c.id for c in CATALOGUE}
    for promise, files in GUARDS.items():
        assert files
        for name in files:
            assert re.search(rf'mark\.claim\("{promise}"\)', (root / name).read_text("utf-8")), (promise, name)


def test_there_are_sixty_six_promises() -> None:
    """As many as the contract has."""
    assert len(CATALOGUE) == 66
