"""Entries as a table for a spreadsheet, in which no cell is a formula. For reading: a table proves nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from mailward.core.audit.model import Entry

_HEAD = ("index", "at", "actor_kind", "actor", "act", "target", "facts", "id", "address", "outcome", "reason")
# What spreadsheets take for a formula, or strip to get at one (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def to_csv(entries: Sequence[Entry]) -> str:
    """One line an entry (RFC 4180). A cell that a spreadsheet would compute has an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_HEAD)
    for e in entries:
        facts = "(erased)" if e.facts is None else "; ".join(f"{k}: {v}" for k, v in e.facts.items())
        row: tuple[str, ...] = (str(e.seq), e.at.isoformat(), e.actor_kind, e.actor, e.act, e.target, facts, e.id)
        row += (e.address, e.outcome, e.reason)
        writer.writerow([_plain(cell) for cell in row])
    return out.getvalue()


def _plain(cell: str) -> str:
    return "'" + cell if cell.startswith(_FORMULA) else cell
