"""Numbered migrations with checksums, under the store's file lock."""

from __future__ import annotations

import hashlib
from datetime import datetime
from importlib import resources

import apsw

from mailward.adapters.storage.sqlite.scope import wall_statements


class MigrationError(Exception):
    """The file's history is not a prefix of ours: edited, or written by a newer version."""


def available() -> list[tuple[int, str, str]]:
    """(number, name, sql) of every migration shipped with this version, ascending."""
    folder = resources.files("mailward.adapters.storage.sqlite") / "migrations"
    found = []
    for item in folder.iterdir():
        if item.name.endswith(".sql"):
            number, _, name = item.name[:-4].partition("_")
            found.append((int(number), name, item.read_text("utf-8")))
    return sorted(found)


def migrate(db: apsw.Connection, *, now: datetime) -> list[str]:
    """Bring the schema up to date; returns the names applied. Each migration is one transaction.

    A killed migration rolls back and is tried again at the next start. An applied
    migration whose text changed since, or one we do not know, raises MigrationError.
    """
    db.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        "(number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied INTEGER NOT NULL)"
    )
    known = {n: (name, digest) for n, name, digest in db.execute("SELECT number, name, sha256 FROM schema_migrations")}
    ours = available()
    if unknown := set(known) - {n for n, _, _ in ours}:
        raise MigrationError(f"the data was written by a newer version (migrations {sorted(unknown)})")
    applied = []
    for number, name, sql in ours:
        digest = hashlib.sha256(sql.encode()).hexdigest()
        if number in known:
            if known[number][1] != digest:
                raise MigrationError(f"migration {number:04d}_{name} was changed after it was applied")
            continue
        with db:
            for statement in split_statements(sql):
                db.execute(statement)
            db.execute(
                "INSERT INTO schema_migrations VALUES (?,?,?,?)",
                (number, name, digest, int(now.timestamp() * 1_000_000)),
            )
        applied.append(f"{number:04d}_{name}")
    _raise_wall(db, rebuild=bool(applied))
    return applied


def _raise_wall(db: apsw.Connection, *, rebuild: bool) -> None:
    statements = wall_statements(db)  # also records which tables are the installation's
    if rebuild:
        with db:
            for statement in statements:
                db.execute(statement)


def split_statements(sql: str) -> list[str]:
    """Split at `;` that ends a line; comment lines start with `--`."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return [s for part in "\n".join(lines).split(";\n") if (s := part.strip().rstrip(";"))]
