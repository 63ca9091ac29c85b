"""docs/inventory.md names what there is: nothing connects, protects, stores or costs that is not on its list."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import msgspec
import pytest

from mailward.app.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "mailward"
TEXT = (ROOT / "docs" / "inventory.md").read_text("utf-8")
# What opens a connection to somewhere else, in the libraries that are used.
_OPENS = re.compile(
    r"ClientSession\(|open_connection\(|open_unix_connection\(|create_unix_connection\(|create_datagram_endpoint\("
    r"|sock_connect\(|asyncpg\.connect\(|create_pool\(|from_url\(|ClientNetwork\(|asyncquery\.|urlopen\("
)


def section(title: str) -> str:
    """The text below a heading."""
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def named(text: str) -> set[str]:
    """What stands between backquotes."""
    return set(re.findall(r"`([^`]+)`", text))


@pytest.mark.asvs("13.1.1")
def test_whatever_connects_is_listed() -> None:
    """Each module that opens a connection stands beside the peer; each setting that is named exists."""
    listed = named(section("With whom it talks"))
    opening = {
        path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if _OPENS.search(path.read_text("utf-8"))
    }
    assert len(opening) > 10
    assert [name for name in sorted(opening) if not any(name.startswith(one) for one in listed)] == []
    modules = {one for one in listed if one.startswith(("adapters/", "app/"))}
    assert [name for name in modules if not (SOURCE / name).exists()] == []
    settings = {one.partition(" ")[0] for one in listed if re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)+( = .*)?", one)}
    for dotted in settings:
        kind: object = Settings
        for name in dotted.split("."):
            kind = {f.name: f.type for f in msgspec.structs.fields(kind)}[name]  # type: ignore[arg-type]


@pytest.mark.asvs("11.1.1", "11.1.2")
def test_whatever_encrypts_or_signs_is_listed() -> None:
    """Each primitive that is imported, and each kind of token, with its life."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for module, names in re.findall(
            r"^\s*from (cryptography\.hazmat\.primitives[\w.]*) import ([\w, ]+)$", path.read_text("utf-8"), re.M
        ):
            if not module.endswith("serialization"):
                found |= {name.strip() for name in names.split(",")} - {"serialization"}
    listed = named(section("Keys and algorithms"))
    assert found <= listed, sorted(found - listed)
    tokens = importlib.import_module("mailward.core.identity.tokens")
    kinds = {value for value in vars(tokens).values() if isinstance(value, str) and re.fullmatch(r"mw[a-z]_", value)}
    assert len(kinds) == 7
    assert kinds <= listed


@pytest.mark.asvs("14.1.1", "14.1.2")
def test_every_table_has_one_level() -> None:
    """And every level says how it is kept, read, ended and logged."""
    files = [p for s in ("postgres", "sqlite") for p in (SOURCE / f"adapters/storage/{s}/migrations").glob("*.sql")]
    sql = "".join(p.read_text("utf-8") for p in files)
    made = r"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(?:t_)?(\w+)"
    tables = set(re.findall(made, re.sub(r"--.*", "", sql)))
    text = section("Levels of data")
    lists = {name: named(body) for name, body in re.findall(r"^- (\w+): (.*?)(?=^- |\Z)", text, re.M | re.S)}
    rows = {row.split("|")[1].strip(): row.count("|") for row in text.splitlines() if row.startswith("| ")}
    assert set(lists) == {"secret", "content", "personal", "operating"} <= set(rows)
    assert set(rows.values()) == {7}
    together = [table for some in lists.values() for table in some]
    assert len(together) == len(set(together))
    assert set(together) == tables, sorted(set(together) ^ tables)


@pytest.mark.asvs("15.1.3")
def test_what_costs_much_names_its_bound() -> None:
    """Each bound is there, under the name that is given."""
    places = [one for one in named(section("What costs much, and what bounds it")) if one.startswith("mailward.")]
    assert (
        len(places)
        == len([r for r in section("What costs much, and what bounds it").splitlines() if r[:2] == "| "]) - 1
    )
    for place in places:
        module, _, name = place.partition(":")
        assert getattr(importlib.import_module(module), name)


@pytest.mark.asvs("16.1.1")
def test_logs_that_are_tables_are_listed() -> None:
    """Form, place, readers, term and content of each."""
    rows = [row for row in section("Logs").splitlines() if row.startswith("| ")]
    assert len(rows) == 8
    assert {row.count("|") for row in rows} == {7}
    assert "`timestamp` (UTC)" in rows[1]


@pytest.mark.asvs("5.1.1")
def test_sizes_of_files_are_those_in_force() -> None:
    """The numbers of the text are the defaults."""
    text, defaults = section("Files"), Settings()
    assert f"({defaults.submission.max_message_bytes // 2**20} MiB)" in text
    archives = importlib.import_module("mailward.adapters.scanners.archives")
    assert re.search(rf"{archives.MAX_BYTES // 2**20} MiB\s+unpacked|up to\s+{archives.MAX_BYTES // 2**20} MiB", text)
    assert {"submission.refused_attachments", "submission.max_message_bytes", "mx.max_message_bytes"} <= named(text)
