"""`mailward audit`: read the log, export it, check the store, and verify an export offline."""

from __future__ import annotations

import base64
import errno
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter, validators

from mailward.app.audit_export import export_bytes
from mailward.app.commands.output import Config, Json, Workspace, print_facts, print_json, print_table
from mailward.app.commands.progress import bar
from mailward.app.context import Context, run
from mailward.base.errors import Invalid
from mailward.core.audit import read
from mailward.core.audit.advance import advance
from mailward.core.audit.csv_table import to_csv
from mailward.core.audit.verify_export import Report, parse_kept, parse_public_key, verify_export
from mailward.core.audit.verify_store import verify_store

app = cyclopts.App(name="audit", help="The audit log.")

Kept = Annotated[Path | None, Parameter(name="--checkpoint", help="A checkpoint kept from before.")]
Since = Annotated[datetime | None, Parameter(name="--since", help="From this time on (UTC).")]
Until = Annotated[datetime | None, Parameter(name="--until", help="Up to this time, excluded (UTC).")]

_LARGEST = 1 << 30


@app.command
def verify(
    export: Path,
    *,
    public_key: Annotated[str | None, Parameter(name="--public-key", help="The log's key, or a file with it.")] = None,
    checkpoint: Kept = None,
    json: Json = False,
) -> int:
    """Check an export offline: nothing changed, dropped, reordered, or cut since a kept checkpoint. Exits 1 if so."""
    try:
        if export.stat().st_size > _LARGEST:
            raise ValueError("the file is larger than 1 GiB")
        key = None if public_key is None else parse_public_key(_text_or_file(public_key))
        kept = None if checkpoint is None else _kept(checkpoint)
        with bar(lines=False) as shown:
            report = verify_export(export.read_bytes(), public_key=key, checkpoint=kept, tell=shown.table)
    except OSError as e:
        print(f"mailward: {_unreadable(e)}", file=sys.stderr)
        return 2
    except UnicodeDecodeError:
        print("mailward: the checkpoint or the key is not text", file=sys.stderr)
        return 2
    except ValueError as e:
        print(f"mailward: {e}", file=sys.stderr)
        return 2
    if json:
        print_json({"good": report.good, **asdict(report)})
    else:
        _print_report(report)
    return 0 if report.good else 1


def _unreadable(e: OSError) -> str:
    """What a person reads of a file that cannot be read or written."""
    why = {
        errno.ENOENT: "there is no such file",
        errno.EACCES: "you may not read or write it",
        errno.EISDIR: "it is a folder",
        errno.ENOSPC: "there is no room on the disk",
    }.get(e.errno or 0, "it cannot be read or written")
    return f"{e.filename or 'the file'}: {why}"


def _kept(path: Path) -> str:
    """ValueError, naming the file, when no checkpoint is in it: that says nothing of the log."""
    text = path.read_text("utf-8")
    try:
        return parse_kept(text)
    except ValueError as e:
        raise ValueError(f"{path}: {e}") from e


def _text_or_file(value: str) -> str:
    path = Path(value)
    return path.read_text("utf-8") if len(value) < 4096 and path.is_file() else value


def _print_report(report: Report) -> None:
    last = report.first + report.entries - 1
    print_facts(
        {
            "workspace": report.workspace,
            "entries": f"{report.entries} ({report.first} to {last} of {report.size})",
            "root": report.root,
            "facts erased": report.erased,
            "recorded by the installation": "yes" if report.anchored else "not in this file",
            "key": "as given" if report.key_given else "from the file itself: compare it with the one you kept",
        }
    )
    for fault in report.faults:
        print(f"FAULT: {fault}")
    print("verified" if report.good else "NOT verified")


@app.command(name="export")
def export_(
    file: Path,
    *,
    since: Since = None,
    until: Until = None,
    since_size: Annotated[int | None, Parameter(name="--since-size", help="Size of a checkpoint you kept.")] = None,
    config: Config = None,
    workspace: Workspace = None,
) -> int:
    """Write the log of a workspace to a file that proves itself. The export is recorded."""

    async def act(context: Context) -> int:
        signer = context.installation.vault.log_signer()
        with bar(lines=False) as shown:
            data = await export_bytes(
                context.store,
                signer,
                context.actor,
                now=context.clock.now(),
                since=_utc(since),
                until=_utc(until),
                since_size=since_size,
                tell=shown.table,
            )
        made.append(data)
        return 0

    made: list[bytes] = []
    code = run(config, workspace, act)
    try:
        file.write_bytes(made[0])
    except OSError as e:
        print(f"mailward: {_unreadable(e)}", file=sys.stderr)
        return 2
    print(f"{file}: {len(made[0])} bytes. Check it with: mailward audit verify {file}")
    return code


def _utc(when: datetime | None) -> datetime | None:
    return when.replace(tzinfo=UTC) if when is not None and when.tzinfo is None else when


@app.command
def checkpoint(*, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Print the newest signed checkpoint. Keep it somewhere else: it finds a log that was cut or rewritten later."""

    async def act(context: Context) -> int:
        signer = context.installation.vault.log_signer()
        await context.store.system_write(lambda tx: advance(tx, signer, now=context.clock.now()))
        head = await context.store.read(context.actor.workspace, lambda tx: read.latest_head(tx, context.actor))
        if json:
            print_json({"note": head.note, "size": head.size, "root_hash": base64.b64encode(head.root).decode()})
        else:
            print(head.note, end="")
        return 0

    return run(config, workspace, act)


@app.command(name="list")
def list_(
    *,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10_000))] = 25,
    act: Annotated[str | None, Parameter(help="Of this act; with a final dot, of its area (domain.).")] = None,
    by: Annotated[str | None, Parameter(help="By whoever has this id.")] = None,
    target: Annotated[str | None, Parameter(help="On what has this id.")] = None,
    since: Since = None,
    until: Until = None,
    before: Annotated[int | None, Parameter(help="Entries below this index: the next page.")] = None,
    csv: Annotated[bool, Parameter(name="--csv", negative="", help="A table for a spreadsheet.")] = False,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """The newest entries of a workspace that fit."""

    if csv and json:
        raise Invalid("one_or_other", "Say --csv or --json, not both.", field="csv")

    async def show(context: Context) -> int:
        found = await context.store.read(
            context.actor.workspace,
            lambda tx: read.list_entries(
                tx, context.actor, limit=limit, before=before, act=act, since=_utc(since), until=_utc(until), by=by,
                target=target,
            ),
        )  # fmt: skip
        if csv:
            print(to_csv(found), end="")
        elif json:
            more = [{"address": e.address, "outcome": e.outcome, "reason": e.reason} for e in found]
            shown = [{k: v for k, v in asdict(e).items() if k != "leaf"} for e in found]
            print_json([one | beside for one, beside in zip(shown, more, strict=True)])
        else:
            rows = [
                (e.seq, e.at.isoformat(timespec="seconds"), f"{e.actor_kind} {e.actor}", e.address, e.act, e.target)
                for e in found
            ]
            print_table(rows, ("index", "at", "actor", "from", "act", "target"))
        return 0

    return run(config, workspace, show)


@app.command
def check(*, checkpoint: Kept = None, config: Config = None, json: Json = False) -> int:
    """Recompute every tree in the store and compare with what was signed. Exits 1 when anything was tampered with."""
    try:
        kept = [] if checkpoint is None else [_kept(checkpoint)]
    except OSError as e:
        print(f"mailward: {_unreadable(e)}", file=sys.stderr)
        return 2
    except UnicodeDecodeError:
        print("mailward: the checkpoint is not text", file=sys.stderr)
        return 2
    except ValueError as e:
        print(f"mailward: {e}", file=sys.stderr)
        return 2

    async def act(context: Context) -> int:
        signer = context.installation.vault.log_signer()
        with bar(lines=False) as shown:
            faults = await context.store.system_read(
                lambda tx: verify_store(tx, signer.public_key, signer.log, checkpoints=kept, tell=shown.table)
            )
        if json:
            print_json({"good": not faults, "faults": [asdict(f) for f in faults]})
        else:
            for fault in faults:
                print(f"FAULT: {fault.workspace} {fault.seq}: {fault.what}")
            print("the log is as it was written" if not faults else "the log was tampered with")
        return 1 if faults else 0

    return run(config, None, act)
