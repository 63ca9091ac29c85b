"""`mailward migrate-store`: everything from the embedded store to PostgreSQL, or back."""

from __future__ import annotations

import asyncio
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from mailward.app.commands.output import Json, print_json, print_table
from mailward.app.commands.progress import Bar
from mailward.app.moving import Outcome, check_pair, held, run, share_keys
from mailward.app.settings import Settings, SettingsError, load


def migrate_store(
    *,
    from_: Annotated[str, Parameter(name="--from", help="Settings file of the installation as it is.")],
    to: Annotated[str, Parameter(name="--to", help="Settings file of the installation as it is to be.")],
    check: Annotated[
        Literal["all", "sample"], Parameter(help="Open every body at the target, or one in fifty.")
    ] = "all",
    verify_only: Annotated[bool, Parameter(negative="", help="Copy nothing: compare what is there.")] = False,
    json: Json = False,
) -> int:
    """Move everything from one store to the other: embedded to PostgreSQL (and bucket), or back.

    Stop the platform first. The source is only read. A move that was cut off goes on where it
    was when the command is run again; until it is finished the target refuses to start.
    Exit codes: 0 everything is there, 1 something differs or was damaged before, 3 cannot start.
    """
    source, target = _load(from_), _load(to)
    check_pair(source, target)
    progress = Bar(sys.stderr)
    with held(source, target):
        share_keys(source, target)
        outcome = asyncio.run(run(source, target, progress, every=check == "all", only_verify=verify_only))
    progress.end()
    print_json(_facts(outcome)) if json else _print(outcome, to, verify_only=verify_only)
    return 0 if outcome.good else 1


def _load(path: str) -> Settings:
    """Settings of one side. What the environment says of the database and the bucket is of the side that has them."""
    if not Path(path).is_file():
        raise SettingsError(f"there is no settings file at {path}")
    try:
        storage = tomllib.loads(Path(path).read_text("utf-8")).get("storage", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise SettingsError(f"{path}: {e}") from e
    postgres = isinstance(storage, dict) and storage.get("kind") == "postgres"
    return load(path, _environment(os.environ, postgres=postgres))


def _environment(environ: Mapping[str, str], *, postgres: bool) -> dict[str, str]:
    apart = ("MAILWARD_STORAGE__KIND",) if postgres else ("MAILWARD_STORAGE__", "MAILWARD_OBJECTS__")
    return {k: v for k, v in environ.items() if not k.startswith(apart)}


def _facts(outcome: Outcome) -> dict[str, object]:
    return {
        "equal": outcome.faithful,
        "finished": outcome.finished,
        "tables": {
            name: {
                "equal": t.equal,
                "rows": t.rows,
                "sha256_sum": t.hash,
                "target_rows": t.target_rows,
                "target_sha256_sum": t.target_hash,
            }
            for name, t in outcome.tables.items()
        },
        "bodies": outcome.bodies,
        "check": outcome.check,
        "left_behind": outcome.left_behind,
    }


def _print(outcome: Outcome, to: str, *, verify_only: bool) -> None:
    rows = [
        (name, t.rows, t.target_rows, t.hash[:16], "equal" if t.equal else f"DIFFERS: {t.target_hash[:16]}")
        for name, t in outcome.tables.items()
    ]
    print_table(rows, ("table", "rows", "arrived", "sum of hashes", ""))
    b = outcome.bodies
    print(f"\nbodies: {b.named} named, {b.compared} compared, {b.opened} opened at the target")
    for count, text in (
        (b.over, "cannot be read by anybody: their key was destroyed"),
        (b.missing, "were missing at the source already"),
        (b.unreadable, "do not open, at the source neither"),
        (b.different, "DIFFER from the source's"),
    ):
        if count:
            print(f"  {count} {text}")
    for name, count in outcome.left_behind.items():
        print(f"left behind: {count} rows of {name} (docs/operation.md says why)")
    if not outcome.faithful:
        print("\nWhat is at the target is not what is at the source. The target was not released for use.")
    elif not verify_only:
        print(f"\nEverything is there. Start it with: mailward up --config {to}")
