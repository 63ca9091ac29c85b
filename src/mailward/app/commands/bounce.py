"""`mailward bounce`: what a returned message says, and what the platform would make of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from mailward.app.commands.output import Json, print_facts, print_json
from mailward.base.errors import Invalid
from mailward.policy.returned import BounceVerdict, Kind, classify

app = cyclopts.App(name="bounce", help="Bounces, complaints and automatic answers.")

_EFFECTS = {
    Kind.HARD: "the address would go on the suppression list",
    Kind.COMPLAINT: "the address would go on the suppression list",
}


@app.command
def explain(file: Annotated[str, Parameter(allow_leading_hyphen=True)], /, *, json: Json = False) -> int:
    """Read a returned message from a file (.eml), or from standard input with "-", and say what it is.

    Needs no installation and changes nothing. Without the return-path it came to, nothing says which message it is
    about: that is only known at the MX.
    """
    verdict = classify(_read(file))
    if json:
        print_json(_facts(verdict))
        return 0
    print_facts(
        {
            "kind": verdict.kind.value,
            "status": verdict.status or "-",
            "reason": verdict.sentence,
            "effect": _EFFECTS.get(verdict.kind, "noted on the message's timeline; nobody is suppressed"),
            "rule": verdict.rule,
            "message": verdict.message_id or "-",
        }
    )
    for r in verdict.recipients:
        shown = r.address or r.original or "(not named)"
        print(f"\n{shown}  {r.kind.value}  {r.status or '-'}\n  {r.text or '-'}\n  {r.rule}")
    return 0


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(64 << 20)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(64 << 20)
    except OSError as e:
        raise Invalid("file_unreadable", f"{file} cannot be read: {e.strerror}.", field="file") from e


def _facts(v: BounceVerdict) -> dict[str, object]:
    return {
        "kind": v.kind.value,
        "hard": v.kind is Kind.HARD,
        "status": v.status,
        "cause": v.cause,
        "reason": v.sentence,
        "rule": v.rule,
        "message_id": v.message_id,
        "feedback_id": v.feedback_id,
        "recipients": [
            {
                "address": r.address,
                "original": r.original,
                "kind": r.kind.value,
                "status": r.status,
                "cause": r.cause,
                "text": r.text,
                "rule": r.rule,
            }
            for r in v.recipients
        ],
    }
