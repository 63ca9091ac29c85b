"""How commands print: JSON for programs, lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter, validators

Config = Annotated[str | None, Parameter(name="--config", help="Settings file.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Grant = Annotated[str | None, Parameter(name="--grant", help="The grant that an operator reads by.")]
Limit = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10_000), help="At most so many, newest first.")]
Workspace = Annotated[str | None, Parameter(name="--workspace", help="Workspace id; the oldest one by default.")]


def print_json(value: Any) -> None:
    """One JSON document, indented."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_facts(facts: Mapping[str, Any]) -> None:
    """`name: value` lines, aligned."""
    width = max((len(k) for k in facts), default=0)
    for key, value in facts.items():
        print(f"{key + ':':<{width + 1}} {value}")


def print_table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> None:
    """Columns under a head line."""
    table = [list(map(str, head)), *[list(map(str, r)) for r in rows]]
    widths = [max(len(r[i]) for r in table) for i in range(len(head))]
    for row in table:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())
