"""The catalogue holds every promise once."""

from __future__ import annotations

import tomllib
from pathlib import Path

from mailward.core.evidence.catalogue import CATALOGUE


def test_every_promise_is_there_once() -> None:
    """66 promises, no id twice, each with a claim of its own."""
    ids = [c.id for c in CATALOGUE]
    assert len(ids) == len(set(ids)) == 66
    assert len({c.claim for c in CATALOGUE}) == 66


def test_ids_are_those_of_the_contract(conformance: Path) -> None:
    """No promise was forgotten, none invented."""
    contract = tomllib.loads((conformance.parent / "promises.toml").read_text("utf-8"))
    assert sorted(c.id for c in CATALOGUE) == sorted(p["id"] for p in contract["promise"])
