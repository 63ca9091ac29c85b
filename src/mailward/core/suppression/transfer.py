"""Carry a list in and out as CSV: `address,reason,stream,created`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mailward.base.errors import Invalid, TooLarge
from mailward.base.sources import Entropy
from mailward.core.suppression.change import new_entry
from mailward.core.suppression.model import EVERY_STREAM, Entry, Reason, normalise, token
from mailward.core.suppression.ports import AuditedSuppressionTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

IMPORT_MAX = 10_000
_HEADER = ("address", "reason", "stream", "created")
# A spreadsheet runs a cell that starts like this; an apostrophe in front makes it text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Line:
    """One line to import, and the line of the file that it is (from 1, as editors count)."""

    address: str
    reason: Reason
    stream: str
    number: int


@dataclass(frozen=True, slots=True)
class Imported:
    """How an import went; `refused` holds (line number from 1, why)."""

    added: int
    already: int
    refused: list[tuple[int, str]]


def parse_csv(text: str) -> list[Line]:
    """Lines of a CSV with or without a header; other columns than ours are ignored.

    Raises Invalid for an unknown reason, TooLarge beyond 10,000 lines.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    rows = [(reader.line_num, row) for row in reader if row and row[0].strip()]
    columns = {"address": 0}
    if rows and "@" not in rows[0][1][0]:
        columns = {_column(name): i for i, name in enumerate(rows.pop(0)[1])}
    if "address" not in columns:
        raise Invalid("invalid_csv", "The first line names no column 'address' or 'email'.", field="file")
    if len(rows) > IMPORT_MAX:
        raise TooLarge("import_too_large", f"At most {IMPORT_MAX} lines can be imported at once.")
    return [_line(number, row, columns) for number, row in rows]


def _column(name: str) -> str:
    name = name.strip().lower()
    return "address" if name in ("email", "e-mail", "email_address", "recipient") else name


def _line(number: int, row: Sequence[str], columns: dict[str, int]) -> Line:
    def cell(name: str) -> str:
        i = columns.get(name)
        return row[i].strip() if i is not None and i < len(row) else ""

    address = cell("address")
    if address[:1] == "'" and address[1:2] in _FORMULA:
        address = address[1:]
    reason = cell("reason").lower()
    if reason and reason not in set(Reason):
        raise Invalid("invalid_csv", f"'{reason[:40]}' is not a reason: use {', '.join(Reason)}.", field="reason")
    stream = cell("stream").lower()
    kept = Reason(reason) if reason else Reason.IMPORTED
    return Line(address, kept, EVERY_STREAM if stream == "every" else stream, number)


async def import_lines(
    tx: AuditedSuppressionTx, actor: Actor, lines: Sequence[Line], *, key: bytes, now: datetime, entropy: Entropy
) -> Imported:
    """List many addresses in one transaction. Lines that hold no address are refused one by one, the rest goes in."""
    access.require(actor, Permission.SUPPRESSION_CHANGE)
    if len(lines) > IMPORT_MAX:
        raise TooLarge("import_too_large", f"At most {IMPORT_MAX} lines can be imported at once.")
    rows: list[tuple[bytes, Entry]] = []
    refused: list[tuple[int, str]] = []
    for line in lines:
        try:
            shown = normalise(line.address)
        except Invalid as e:
            refused.append((line.number, e.public))
            continue
        entry = new_entry(shown, line.reason, stream=line.stream, source="import", now=now, entropy=entropy)
        rows.append((token(key, shown), entry))
    added = await tx.suppressions.insert(rows)
    facts = {"added": str(added), "already": str(len(rows) - added), "refused": str(len(refused))}
    await tx.audit.append(actor, "suppression.imported", actor.workspace, facts, now=now)
    return Imported(added, len(rows) - added, refused)


async def export(tx: AuditedSuppressionTx, actor: Actor, *, now: datetime, limit: int = 1_000_000) -> str:
    """The whole list as CSV, oldest last. Audited: it is personal data leaving in bulk."""
    access.require(actor, Permission.SUPPRESSION_READ)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_HEADER)
    count = 0
    before: bytes | None = None
    while count < limit:
        page = await tx.suppressions.page(
            before=before, limit=min(1000, limit - count), search="", reason=None, stream=None
        )
        if not page:
            break
        for e in page:
            created = datetime.fromtimestamp(e.created / 1e6, UTC).isoformat(timespec="seconds")
            writer.writerow((_inert(e.address), e.reason.value, _inert(e.stream or "every"), created))
        count += len(page)
        before = page[-1].id
    await tx.audit.append(actor, "suppression.exported", actor.workspace, {"entries": str(count)}, now=now)
    return out.getvalue()


def _inert(cell: str) -> str:
    return "'" + cell if cell.startswith(_FORMULA) else cell
