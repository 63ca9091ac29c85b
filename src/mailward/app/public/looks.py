"""What anyone may know of reviews, scans and advisories: an open weakness is counted and never named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailward.core.registers.model import PATCH_DAYS, Advisory, Entry, Review
from mailward.core.registers.scans import open_advisories

_SHOWN = 100


def looks(entries: Sequence[Entry]) -> dict[str, Any]:
    """Reviews and patched advisories, newest first, and of open advisories their number and next deadline."""
    reviews = sorted((e.fields for e in entries if isinstance(e.fields, Review)), key=lambda f: f.on, reverse=True)
    told = [e.fields for e in entries if isinstance(e.fields, Advisory) and e.fields.patched]
    patched = sorted(told, key=lambda f: (f.patched, f.advisory), reverse=True)
    waiting = open_advisories(entries)
    return {
        "reviews": [
            {"what": f.what.value, "scope": f.scope, "by": f.by, "found": f.found, "on": f.on.isoformat()}
            for f in reviews[:_SHOWN]
        ],
        "advisories": {
            "patch_within_days": {severity.value: days for severity, days in PATCH_DAYS.items()},
            "open": len(waiting),
            "next_deadline": waiting[0][1].patch_by.isoformat() if waiting else "",
            "patched": [
                {
                    "advisory": f.advisory,
                    "concerns": f.concerns,
                    "severity": f.severity.value,
                    "known": f.known.isoformat(),
                    "patch_by": f.patch_by.isoformat(),
                    "patched": f.patched.isoformat() if f.patched else "",
                    "in_time": not f.late(f.patched or f.known),
                    "note": f.note,
                }
                for f in patched[:_SHOWN]
            ],
        },
    }
