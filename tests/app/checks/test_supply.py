"""What is pinned, what is native, and that a check can fail at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from mailward.app.bill import pinned
from mailward.app.checks import supply
from mailward.app.commands.bill import sbom
from mailward.app.context import Context
from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.model import Control, Result

NOTHING = cast(Context, None)


@pytest.mark.claim("SUPPLY-1")
async def test_another_version_than_the_pinned_one_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is installed is compared with the pins; a planted pin is told apart."""
    assert (await supply.what_runs_is_what_was_pinned(NOTHING)).result is Result.PASSED
    real = supply.pins
    monkeypatch.setattr(supply, "pins", lambda folder: real(folder) | {"msgspec": "0.0.1"})
    found = await supply.what_runs_is_what_was_pinned(NOTHING)
    assert (found.result, "pinned 0.0.1" in found.evidence) == (Result.FAILED, True)
    # A wheel carries the pins as a file; whoever installed other versions with it is told, and broke nothing of ours.
    (tmp_path / "pins.txt").write_text("msgspec==0.0.1 \\\n    --hash=sha256:" + "0" * 64)
    monkeypatch.setattr(supply, "_PACKAGE", tmp_path)
    found = await supply.what_runs_is_what_was_pinned(NOTHING)
    assert (found.result, "install requirements/runtime.txt" in found.evidence) == (Result.NOT_CONFIGURED, True)
    monkeypatch.setattr(supply, "pins", lambda folder: {})
    assert (await supply.what_runs_is_what_was_pinned(NOTHING)).result is Result.NOT_CONFIGURED


@pytest.mark.claim("SUPPLY-2")
async def test_native_code_that_is_not_listed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiled distribution without its line in the table is named."""
    assert (await supply.native_code_is_listed(NOTHING)).result is Result.PASSED
    monkeypatch.delitem(supply.NATIVE, "msgspec")
    found = await supply.native_code_is_listed(NOTHING)
    assert (found.result, "msgspec" in found.evidence) == (Result.FAILED, True)


class _Now:
    """As much of a context as the bill needs."""

    class clock:
        @staticmethod
        def now() -> datetime:
            return datetime(2026, 3, 4, tzinfo=UTC)


@pytest.mark.claim("SUPPLY-2")
async def test_a_bill_with_a_gap_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pin without hashes, and a native part of which the bill is silent, are named."""
    now = cast(Context, _Now)
    assert (await supply.the_bill_names_them(now)).result is Result.PASSED
    real = pinned
    with monkeypatch.context() as patch:
        patch.setattr(supply, "pinned", lambda folder: real(folder) | {"msgspec": ("0.0.1", [])})
        assert "without a hash" in (await supply.the_bill_names_them(now)).evidence
    monkeypatch.delitem(supply.NATIVE, "msgspec")
    assert "does not say" in (await supply.the_bill_names_them(now)).evidence


@pytest.mark.asvs("15.1.2")
@pytest.mark.claim("SUPPLY-1")
def test_the_bill_is_cyclonedx(capsys: pytest.CaptureFixture[str]) -> None:
    """Name, version, package URL and hashes of each distribution; the libraries underneath with their versions."""
    assert sbom() == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.5")
    parts = {c["name"]: c for c in made["components"]}
    assert parts["msgspec"]["purl"] == f"pkg:pypi/msgspec@{parts['msgspec']['version']}"
    assert all(len(h["content"]) == 64 for c in made["components"] for h in c.get("hashes", ()))
    assert {"cpython", "openssl", "sqlite3mc"} <= set(parts)


@pytest.mark.claim("TRUST-1")
async def test_what_cannot_fail_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A promise twice, one that claims to be whole without a check, and a runner that swallows failures."""
    assert (await supply.the_checks_can_fail(NOTHING)).result is Result.PASSED
    for controls, words in (
        ((*CATALOGUE, CATALOGUE[0]), "twice"),
        ((*CATALOGUE, Control("NEW-1", "Everything is fine.")), "NEW-1"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(supply, "CATALOGUE", controls)
            found = await supply.the_checks_can_fail(NOTHING)
            assert (found.result, words in found.evidence) == (Result.FAILED, True)

    async def says_nothing(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(supply, "verify", says_nothing)
    assert (await supply.the_checks_can_fail(NOTHING)).result is Result.FAILED
