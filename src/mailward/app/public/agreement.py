"""The data-processing agreement of GDPR article 28, its annexes made from the registers and the controls."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from mailward.core.registers.model import NOTICE_DAYS, Entry, Profile, Region, Subprocessor

VERSION = "1"
_HOLDING = ("proved", "partly_proved")


class Agreement(NamedTuple):
    """Its parts as (heading, paragraphs), the whole text, and that text's SHA-256: what a signature names."""

    parts: list[tuple[str, list[str]]]
    text: str
    hash: bytes


def agreement(profile: Profile, entries: Sequence[Entry], document: dict[str, Any], *, today: date) -> Agreement:
    """The text in force today. The same registers and controls make the same octets."""
    who = profile.name or "the operator of this installation"
    law = profile.governing_law or "the law of the operator's seat"
    parts: list[tuple[str, list[str]]] = [
        (
            "1. Parties and subject",
            [
                f"This agreement is between the customer (controller) and {who}"
                + (f", {profile.address}" if profile.address else "")
                + " (processor). It covers the personal data in messages and addresses that the customer has the "
                "processor send, receive and keep, for as long as the customer uses the service.",
            ],
        ),
        (
            "2. Instructions",
            [
                "The processor handles the data only on the customer's documented instructions, which are what the "
                "customer does through the interfaces of the service, and says so when an instruction seems unlawful.",
            ],
        ),
        ("3. Confidentiality", ["Whoever has access is bound to confidentiality."]),
        (
            "4. Security",
            [
                "The measures of annex B are kept (GDPR article 32). They may change where protection does not "
                "become less."
            ],
        ),
        (
            "5. Subprocessors",
            [
                "Those of annex A are approved. A change is announced "
                f"{NOTICE_DAYS} days before to customers who follow the register; within that time the customer may "
                "object, and end the contract if no way is found. Subprocessors are bound to the same duties.",
            ],
        ),
        (
            "6. Help and incidents",
            [
                "The processor helps with requests of data subjects and with articles 32 to 36, and tells the "
                "customer of a breach of personal data without undue delay after becoming aware of it.",
            ],
        ),
        (
            "7. End, and proof",
            [
                "At the end data is erased, or returned first if the customer asks. The processor shows what is "
                "needed to prove these duties, and allows audits.",
                f"Governing law: {law}.",
            ],
        ),
    ]
    subs = [e.fields for e in entries if isinstance(e.fields, Subprocessor)]
    regions = [e.fields for e in entries if isinstance(e.fields, Region)]
    parts.append(
        (
            "Annex A. Subprocessors and regions",
            [f"{s.name}, {s.place}: {s.purpose}" + (f" (from {s.starts})" if s.starts > today else "") for s in subs]
            + [f"Data lies in {r.name} ({r.place}): {r.holds}" for r in regions]
            or ["None are stated."],
        )
    )
    kept = [f"{c['id']}. {c['claim']}" for c in document["controls"] if c["state"] in _HOLDING]
    parts.append(("Annex B. Technical measures, from checks that hold", kept or ["No check has run yet."]))
    text = _plain(parts)
    return Agreement(parts, text, hashlib.sha256(text.encode()).digest())


def _plain(parts: list[tuple[str, list[str]]]) -> str:
    lines = [f"Data-processing agreement, version {VERSION}", ""]
    for heading, paragraphs in parts:
        lines += [heading, ""]
        for paragraph in paragraphs:
            lines += [*textwrap.wrap(paragraph, 78), ""]
    return "\n".join(lines)
