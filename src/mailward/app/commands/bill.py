"""`mailward sbom`: what runs here, as a bill of materials."""

from __future__ import annotations

import sys
from pathlib import Path

import mailward
from mailward.adapters.host.clock import SystemClock
from mailward.app.bill import bill, pinned
from mailward.app.checks.supply import NATIVE
from mailward.app.commands.output import print_json


def sbom() -> int:
    """Print a CycloneDX document: every pinned distribution with hashes, each native part with what reaches it."""
    pins = pinned(Path(mailward.__file__).parents[2])
    if not pins:
        print("mailward: not run from a checkout: requirements/runtime.txt is not at hand", file=sys.stderr)
        return 1
    print_json(bill(pins, NATIVE, now=SystemClock().now()))
    return 0
