"""`mailward sbom` and `mailward advisories`: what runs here, and what is known against it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mailward.adapters.host.clock import SystemClock
from mailward.app.bill import at_hand, bill, licence, read_pins
from mailward.app.checks.supply import NATIVE
from mailward.app.commands.output import Json, print_json, print_table

Licences = Annotated[bool, Parameter(name="--licences", negative="", help="A table of names and licences instead.")]
Service = Annotated[str, Parameter(name="--service", help="A service that speaks OSV's interface.")]
Pins = Annotated[list[Path] | None, Parameter(name="--pins", help="Requirements files; else what runs here.")]
Keep = Annotated[Path | None, Parameter(name="--keep", help="Keep the result in this file, for `mailward verify`.")]
Required = Annotated[bool, Parameter(name="--required", negative="", help="Fail where no service is reached.")]


def sbom(*, licences: Licences = False) -> int:
    """Print a CycloneDX document: every distribution with hashes and licence, each native part with what reaches it."""
    pins = at_hand()
    if licences:
        rows = [(name, version, licence(name) or "not said") for name, (version, _) in pins.items()]
        print_table(rows, ("name", "version", "licence"))
    else:
        print_json(bill(pins, NATIVE, now=SystemClock().now()))
    return 0


def advisories(
    *,
    pins: Pins = None,
    service: Service = "https://api.osv.dev",
    required: Required = False,
    keep: Keep = None,
    json: Json = False,
) -> int:
    """Ask a vulnerability service about every pinned version. Only names and versions are sent.

    Exit codes: 0 when nothing is known, or when the service is not reached, which is said; with
    --required that is a 1. 1 when an advisory concerns what is pinned. SUPPLY-1 judges the result
    that --keep left as advisories.json in the data folder.
    """
    from mailward.app import kept_scan
    from mailward.app.advisories import Unanswered, ask, severities

    listed: dict[str, str] = {}
    for path in pins or ():
        listed |= {f"{name}@{version}": "" for name, (version, _) in read_pins(path).items()}
    if not pins:
        listed = {f"{name}@{version}": "" for name, (version, _) in at_hand().items()}
    try:
        known = asyncio.run(ask(service, list(listed)))
    except Unanswered as e:
        if keep is not None:
            kept_scan.keep_silence(keep, str(e), now=SystemClock().now())
        print(f"mailward: no advisory was looked at: {service} is not reached ({e})", file=sys.stderr)
        return 1 if required else 0
    if keep is not None:
        said = asyncio.run(severities(service, {id for ids in known.values() for id in ids})) if known else {}
        kept_scan.keep(keep, service, list(listed), known, said, now=SystemClock().now())
    if json:
        print_json({"asked": len(listed), "known": known})
    elif known:
        print_table([(what, ", ".join(ids)) for what, ids in known.items()], ("pinned", "advisories"))
    else:
        print(f"{len(listed)} pinned versions, and no advisory known to {service}")
    return 1 if known else 0
