"""The judgement of one received message."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from mailward.protocol.arc.validate import Verdict as ArcVerdict
from mailward.protocol.arc.validate import validate
from mailward.protocol.authentication.model import Received, Verdicts
from mailward.protocol.authentication.together import Book, Rounds, together
from mailward.protocol.authres import read
from mailward.protocol.dkim import verify as dkim
from mailward.protocol.dmarc import author as dmarc_author
from mailward.protocol.dmarc.evaluate import Discovery, Identifier, conclude, discover
from mailward.protocol.dmarc.evaluate import Verdict as DmarcVerdict
from mailward.protocol.dns import Lookup
from mailward.protocol.spf.identity import check_helo, check_mail_from
from mailward.protocol.spf.model import Session
from mailward.protocol.spf.model import Verdict as SpfVerdict

MAX_QUESTIONS = 100
"""For SPF, keys, seals and the policy. An honest message needs 5 to 15."""
MAX_QUESTIONS_TO_CONCLUDE = 30
"""For aligning identifiers, kept apart so that a policy full of look-ups cannot use them up."""


def judge(received: Received, *, trusted_sealers: Collection[str] = ()) -> Rounds[Verdicts]:
    """SPF, DKIM, ARC and the policy side by side, then DMARC.

    `trusted_sealers` are domains (A-labels) whose word on what they received is believed when an ARC chain holds and
    every seal of it is theirs; without them ARC is shown, and changes nothing.
    """
    session = Session(received.client, received.helo, received.receiver, received.now)
    book = Book(MAX_QUESTIONS)
    signatures = dkim.lookups(received.fields, received.body, received.now)
    parts: list[Lookup[Any]] = [
        discover(dmarc_author.extract(received.fields)),
        check_mail_from(session, received.mail_from),
        check_helo(session),
        validate(received.fields, received.body),
        *signatures,
    ]
    discovery, spf, helo, arc, *verdicts = yield from together(parts, book)
    book.grant(MAX_QUESTIONS_TO_CONCLUDE)
    (dmarc,) = yield from together([conclude(discovery, _identifiers(spf, verdicts))], book)
    return Verdicts(
        spf,
        helo,
        tuple(verdicts),
        _believe(dmarc, discovery, arc, trusted_sealers),
        arc,
        questions=book.asked,
        cut_short=book.exhausted,
    )


def _identifiers(spf: SpfVerdict, signatures: list[dkim.Verdict]) -> list[Identifier]:
    """What DMARC may build on: MAIL FROM and signing domains that passed or that DNS left open (RFC 9989 4.4)."""
    found = [Identifier("dkim", each.domain, each.result == "pass") for each in signatures
             if each.result in ("pass", "temperror")]  # fmt: skip
    if spf.result in ("pass", "temperror"):
        found.append(Identifier("spf", spf.domain, spf.result == "pass"))
    return found


def _believe(dmarc: DmarcVerdict, discovery: Discovery, arc: ArcVerdict, trusted: Collection[str]) -> DmarcVerdict:
    """Local policy (RFC 8617 section 7.2): a chain of trusted hands only, the first of which saw DMARC pass."""
    if dmarc.result != "fail" or dmarc.disposition == "none" or discovery.author.flaw:
        return dmarc
    if arc.result != "pass" or not arc.from_signed or not set(arc.sealers) <= set(trusted):
        return dmarc
    first = read.parse(b"Authentication-Results:" + arc.results[0])
    for each in first.results if first else ():
        domains = [p.value.lower() for p in each.properties if (p.ptype, p.name) == ("header", "from")]
        if (each.method, each.result) == ("dmarc", "pass") and domains == [discovery.author.domain]:
            reason = f"The chain is sealed by {arc.sealers[0]}, which is trusted and saw DMARC pass."
            return replace(dmarc, disposition="none", overridden=reason)
    return dmarc
