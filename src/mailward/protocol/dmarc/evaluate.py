"""From the author and what SPF and DKIM found to a verdict (RFC 9989 sections 4.10 and 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from mailward.protocol.dmarc.author import Author
from mailward.protocol.dmarc.record import Mode, Policy, Record
from mailward.protocol.dmarc.walk import DnsAway, Found, Walker
from mailward.protocol.dns import DnsQuery, Lookup

Result: TypeAlias = Literal["pass", "fail", "none", "temperror"]
_LOWER: dict[Policy, Policy] = {"reject": "quarantine", "quarantine": "none", "none": "none"}
# Who writes two From fields wants two readers to see two authors; an unreadable one may be mere sloppiness.
_REFUSED = ("from_repeated", "from_several")


class Identifier(NamedTuple):
    """A domain that a mechanism passed, or could not judge because DNS was away (`certain` False)."""

    mechanism: Literal["spf", "dkim"]
    domain: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What DMARC says.

    `policy` is what the owner asks for messages that fail, "" when no record applies; `disposition` what that comes to
    for this message: "none" when it passed, one step less strict with t=y. `organizational` is filled when alignment
    needed it. `flaw` is a code when the
    message itself is at fault. `overridden` says why a fail is let through (a trusted ARC chain), "" otherwise.
    """

    result: Result
    reason: str
    author: str = ""
    policy_domain: str = ""
    organizational: str = ""
    policy: Policy | Literal[""] = ""
    disposition: Policy = "none"
    testing: bool = False
    spf_aligned: bool = False
    dkim_aligned: bool = False
    flaw: str = ""
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    fo: str = "0"
    overridden: str = ""


@dataclass(frozen=True, slots=True)
class Discovery:
    """The policy that applies to an author, found before anything is known of SPF and DKIM."""

    author: Author
    walker: Walker
    found: Found | None = None
    away: str = ""


def discover(author: Author) -> Lookup[Discovery]:
    """DMARC Policy Discovery (section 4.10.1): of the author, else its organizational domain, else its PSD."""
    walker = Walker()
    if not author.domain:
        return Discovery(author, walker)
    try:
        own = yield from walker.at(author.domain)
        if own is not None:
            return Discovery(author, walker, Found(author.domain, own))
        selection = yield from walker.select(author.domain)
    except DnsAway as error:
        return Discovery(author, walker, away=error.public)
    return Discovery(author, walker, selection.own or selection.suffix)


def conclude(discovery: Discovery, identifiers: Sequence[Identifier]) -> Lookup[Verdict]:
    """The verdict, once SPF and DKIM are known. Asks at most eight questions for the author and each aligned domain."""
    author, found = discovery.author, discovery.found
    if not author.domain:
        disposition: Policy = "reject" if author.flaw in _REFUSED else "quarantine"
        return Verdict("fail", author.reason, disposition=disposition, flaw=author.flaw)
    if discovery.away:
        return Verdict("temperror", discovery.away, author.domain, flaw=author.flaw)
    if found is None or not found.record.usable:
        if author.flaw:
            return Verdict("fail", author.reason, author.domain, flaw=author.flaw)
        reason = f"{author.domain} publishes no DMARC policy."
        if found is not None:
            reason = f"The DMARC record of {found.domain} has no valid policy and no report address: it does not apply."
        return Verdict("none", reason, author.domain)
    base = _about(author, found)
    try:
        if author.flaw:  # section 4.4: no alignment without a message that RFC 5322 knows
            return (yield from _failed(base, found, author.reason))
        spf, dkim, unsure = yield from _align(discovery.walker, author.domain, found.record, identifiers)
        base = replace(base, organizational=discovery.walker.organizational(author.domain))
        aligned = replace(base, spf_aligned=bool(spf), dkim_aligned=bool(dkim))
        if spf or dkim:
            who = " and ".join(f"{kind} ({domain})" for kind, domain in (("DKIM", dkim), ("SPF", spf)) if domain)
            return replace(aligned, result="pass", reason=f"{who} vouches for {author.domain}.")
        if unsure:
            return replace(aligned, result="temperror", reason=unsure)
        passed = sorted({i.domain for i in identifiers if i.certain})
        why = f"only {', '.join(passed[:3])} is authenticated" if passed else "no domain is authenticated"
        return (yield from _failed(aligned, found, f"Nothing vouches for {author.domain}: {why}."))
    except DnsAway as error:
        return replace(base, result="temperror", reason=error.public)


def _about(author: Author, found: Found) -> Verdict:
    record = found.record
    policy = record.p if found.domain == author.domain else record.sp or record.p
    return Verdict(
        "none",
        "",
        author.domain,
        policy_domain=found.domain,
        policy=policy,
        testing=record.testing,
        flaw=author.flaw,
        rua=record.rua,
        ruf=record.ruf,
        fo=record.fo,
    )


def _failed(base: Verdict, found: Found, reason: str) -> Lookup[Verdict]:
    """Fail: p for the record's own domain, np or sp below it (section 4.10.1), a step less with t=y."""
    policy, record = base.policy or "none", found.record
    if found.domain != base.author and record.np is not None and record.np != policy:
        answer = yield DnsQuery(base.author, "A")
        if answer.status in ("servfail", "timeout"):
            raise DnsAway(base.author)
        if answer.status == "nxdomain":  # section 3.2.13: RFC 8020's sense of not existing
            policy = record.np
    disposition = _LOWER[policy] if record.testing else policy
    return replace(base, result="fail", reason=reason, policy=policy, disposition=disposition)


def _align(
    walker: Walker, author: str, record: Record, identifiers: Sequence[Identifier]
) -> Lookup[tuple[str, str, str]]:
    """The aligned SPF domain and DKIM domain ("" for none), and why neither could be told for sure."""
    spf, dkim, unsure = "", "", ""
    seen: set[tuple[str, str, bool]] = set()
    for identifier in identifiers:
        kind, domain = identifier.mechanism, identifier.domain.lower().removesuffix(".")
        if (kind, domain, identifier.certain) in seen or not domain or (spf if kind == "spf" else dkim):
            continue
        seen.add((kind, domain, identifier.certain))
        try:
            same = yield from _same(walker, author, domain, record.aspf if kind == "spf" else record.adkim)
        except DnsAway as error:
            unsure = error.public
            continue
        if not same:
            continue
        if not identifier.certain:
            unsure = f"{kind.upper()} for {domain} could not be judged, because DNS did not answer."
        elif kind == "spf":
            spf = domain
        else:
            dkim = domain
    return spf, dkim, unsure


def _same(walker: Walker, author: str, domain: str, mode: Mode) -> Lookup[bool]:
    """Identifier Alignment (section 4.10.2). Raises DnsAway."""
    if domain == author:
        return True
    if mode == "s":
        return False
    top = (yield from walker.select(author)).organizational
    # The organizational domain of a name is the name or above it, so what does not lie below ours needs no walk:
    # a stranger's domain cannot make us ask.
    if domain != top and not domain.endswith("." + top):
        return False
    return (yield from walker.select(domain)).organizational == top
