"""The published vectors of transparency-dev/merkle, right and wrong."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mailward.protocol.merkle.proofs import ProofError, verify_consistency, verify_inclusion


def _hashes(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(v) for v in values or []]


def _check(kind: str, v: dict[str, Any]) -> None:
    if kind == "inclusion":
        leaf, root = base64.b64decode(v["leafHash"]), base64.b64decode(v["root"])
        verify_inclusion(leaf, v["leafIdx"], v["treeSize"], _hashes(v["proof"]), root)
    else:
        root1, root2 = base64.b64decode(v["root1"]), base64.b64decode(v["root2"])
        verify_consistency(v["size1"], root1, v["size2"], root2, _hashes(v["proof"]))


@pytest.mark.claim("LOG-1")
def test_every_vector_is_judged_as_published(conformance: Path) -> None:
    """196 proofs: those marked wrong are refused, the others accepted."""
    vectors = json.loads((conformance / "merkle" / "vectors.json").read_text())
    judged = 0
    for kind in ("inclusion", "consistency"):
        for vector in vectors[kind]:
            if vector["wantErr"]:
                with pytest.raises(ProofError):
                    _check(kind, vector)
            else:
                _check(kind, vector)
            judged += 1
    assert judged == 196
