"""The bill of materials is CycloneDX, complete, and says each licence; the tables name every dependency."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from importlib.metadata import requires
from pathlib import Path

import pytest

from mailward.app.bill import at_hand, bill, installed, licence, pinned, read_pins
from mailward.app.checks.supply import NATIVE
from mailward.app.commands.bill import sbom

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.claim("SUPPLY-1")
@pytest.mark.parametrize("pins", [at_hand, installed])
def test_the_schema_holds(pins: object) -> None:
    """The document is valid by CycloneDX 1.5's own schema, from a checkout and from an installed wheel."""
    # Costs two seconds: what checks the schema's formats makes a grammar when it is imported.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    validator = JsonStrictValidator(SchemaVersion.V1_5)
    assert callable(pins)
    document = bill(pins(), NATIVE, now=NOW)
    assert len(document["components"]) > 40
    assert validator.validate_str(json.dumps(document)) is None
    document["components"][0]["type"] = "surprise"
    assert validator.validate_str(json.dumps(document)) is not None


def test_a_wheel_finds_the_same() -> None:
    """What an installed wheel says of itself has the names and versions of the lock file."""
    locked = {name: version for name, (version, _) in pinned(ROOT / "src" / "mailward").items()}
    found = {name: version for name, (version, _) in installed().items()}
    assert found == {name: version for name, version in locked.items() if name in found}
    optional = set(read_pins(ROOT / "requirements" / "multibuffer.txt"))
    assert set(locked) - set(found) <= {"setuptools"} | optional
    # What may be left out is named in the metadata, for whoever wants it.
    extras = {re.split(r"[=; ]", line)[0] for line in requires("mailward") or () if "extra ==" in line}
    assert extras == optional


@pytest.mark.claim("SUPPLY-1")
def test_every_licence_is_known_and_permissive(capsys: pytest.CaptureFixture[str]) -> None:
    """Each run-time dependency says its licence, and none asks more of us than to be named or linked."""
    found = {name: licence(name) for name in at_hand()}
    assert [name for name, said in found.items() if not said] == []
    copyleft = re.compile(r"(?<!L)GPL|AGPL|SSPL|BUSL", re.IGNORECASE)
    assert {name: said for name, said in found.items() if copyleft.search(said)} == {}
    assert sbom(licences=True) == 0
    assert capsys.readouterr().out.count("\n") == len(found) + 1


def _listed(file: str) -> list[str]:
    lines = (ROOT / "requirements" / file).read_text("utf-8").splitlines()
    return [re.split(r"[\[=]", line)[0].lower() for line in lines if line and line[0] not in "#-"]


@pytest.mark.claim("SUPPLY-2")
def test_the_tables_are_complete() -> None:
    """docs/dependencies.md has a word on every direct dependency and on every native one."""
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8").lower()
    wanted = {*_listed("runtime.in"), *_listed("multibuffer.in"), *_listed("dev.in"), *_listed("build.in"), *NATIVE}
    assert sorted(name for name in wanted if not re.search(rf"\b{re.escape(name)}\b", text)) == []


def test_every_pin_has_hashes() -> None:
    """No line of a lock file stands without a hash, and none says where it came from."""
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text("utf-8").replace("\\\n", " ")
        bare = [line for line in text.splitlines() if "==" in line and "--hash=sha256:" not in line]
        assert bare == [], path.name
        assert "://" not in text, path.name
