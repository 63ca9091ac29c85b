"""Evaluating a policy (RFC 7208 sections 4 and 5). Everything is asked by `yield` and counted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

from mailward.protocol.dns import DnsAnswer, DnsQuery, Lookup, RecordType
from mailward.protocol.spf import macro, record
from mailward.protocol.spf.macro import Template
from mailward.protocol.spf.model import Address, Result, Session, Stopped, Verdict, permerror, temperror
from mailward.protocol.spf.record import Directive, Policy

MAX_TERMS_ASKING = 10  # section 4.6.4
MAX_VOID = 2
MAX_HOSTS = 10  # hosts of one MX, names of one PTR
DEFAULT_EXPLANATION = ""

_HOST = re.compile(r"[!-,/-~-]{1,63}(?:\.[!-,/-~-]{1,63})+")
_NO_NAME = DnsAnswer("nxdomain")


@dataclass(slots=True)
class _Evaluation:
    """One check_host with what is left of its limits; includes and redirects share it."""

    session: Session
    client: Address
    local: str
    sender_domain: str
    terms: int = 0
    voids: int = 0
    names: list[str] | None = None  # the client's host names that map back, once asked for
    validated: dict[str, bool] = field(default_factory=dict)

    @property
    def type(self) -> RecordType:
        """The address type that can match this client."""
        return "A" if self.client.version == 4 else "AAAA"


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: Result
    reason: str
    mechanism: str = ""
    explanation: str = ""


def check_host(session: Session, domain: str, sender: str) -> Lookup[Verdict]:
    """check_host() of section 4: may the client send for `domain`? `sender` is MAIL FROM, or postmaster@helo.

    `domain` in A-labels. Asks at most 121 questions, usually two or three.
    """
    domain = domain.removesuffix(".").lower()
    if not _HOST.fullmatch(domain) or len(domain) > 253 or domain[0] == "[":
        return Verdict("none", "The name is no domain that could publish a policy.", domain=macro.printable(domain))
    client = session.client
    if isinstance(client, IPv6Address):  # without the zone of a link-local one, which no record knows
        client = client.ipv4_mapped or IPv6Address(int(client))
    local, _, sender_domain = sender.rpartition("@")
    evaluation = _Evaluation(session, client, local or "postmaster", sender_domain or domain)
    try:
        outcome = yield from _check(evaluation, domain, want_explanation=True)
    except Stopped as stopped:
        outcome = _Outcome(stopped.result, stopped.public)
    return Verdict(
        outcome.result,
        outcome.reason,
        domain=domain,
        mechanism=outcome.mechanism,
        explanation=outcome.explanation,
        lookups=evaluation.terms,
    )


def _check(e: _Evaluation, domain: str, *, want_explanation: bool) -> Lookup[_Outcome]:
    policy = yield from _find(domain)
    if policy is None:
        return _Outcome("none", f"{domain} publishes no SPF policy.")
    for directive in policy.directives:
        matched = yield from _matches(e, directive, domain)
        if not matched:
            continue
        reason = f"{e.client} matches {macro.printable(directive.text)} in the policy of {domain}."
        explanation = ""
        if directive.result == "fail" and want_explanation and policy.explanation is not None:
            explanation = yield from _explain(e, policy.explanation, domain)
        return _Outcome(directive.result, reason, directive.text, explanation)
    if policy.redirect is None:
        return _Outcome("neutral", f"Nothing in the policy of {domain} matches {e.client}.")
    return (yield from _redirect(e, policy, policy.redirect, domain, want_explanation=want_explanation))


def _redirect(
    e: _Evaluation, policy: Policy, target: Template, domain: str, *, want_explanation: bool
) -> Lookup[_Outcome]:
    """Section 6.1: the other domain's policy instead; that it has none is a mistake."""
    _count(e)
    name = yield from _expanded(e, target, domain)
    if name is None:
        raise permerror(f"The policy of {domain} redirects to a name that cannot exist.")
    outcome = yield from _check(e, name, want_explanation=want_explanation)
    if outcome.result == "none":
        raise permerror(f"The policy of {domain} redirects to {name}, which publishes none.")
    return outcome


def _find(domain: str) -> Lookup[Policy | None]:
    """The domain's policy (sections 4.4 and 4.5)."""
    answer = yield DnsQuery(domain, "TXT")
    if answer.status in ("servfail", "timeout"):
        raise temperror(f"The SPF policy of {domain} could not be asked for.")
    found = [text for text in answer.records if record.is_policy(text)]
    if len(found) > 1:
        raise permerror(f"{domain} publishes more than one SPF policy.")
    return record.parse(found[0]) if found else None


def _count(e: _Evaluation) -> None:
    e.terms += 1
    if e.terms > MAX_TERMS_ASKING:
        raise permerror(f"The policy needs more than {MAX_TERMS_ASKING} DNS look-ups.")


def _ask(e: _Evaluation, name: str | None, rtype: RecordType) -> Lookup[DnsAnswer]:
    """One question of a mechanism: failure ends in temperror, the third void answer in permerror (section 4.6.4)."""
    answer = _NO_NAME if name is None else (yield DnsQuery(name, rtype))
    if answer.status in ("servfail", "timeout"):
        raise temperror(f"The {rtype} records of {macro.printable(name or '')} could not be asked for.")
    if not answer.records:
        e.voids += 1
        if e.voids > MAX_VOID:
            raise permerror(f"The policy names more than {MAX_VOID} hosts that do not exist.")
    return answer


def _matches(e: _Evaluation, d: Directive, domain: str) -> Lookup[bool]:
    if d.asks:
        _count(e)
    match d.kind:
        case "all":
            return True
        case "ip4" | "ip6":
            return d.network is not None and d.network.version == e.client.version and e.client in d.network
        case "ptr":
            return (yield from _ptr(e, d, domain))
        case "include":
            return (yield from _include(e, d, domain))
        case _:
            name = domain if d.target is None else (yield from _expanded(e, d.target, domain))
            if d.kind == "exists":
                answer = yield from _ask(e, name, "A")  # A whatever the client speaks (section 5.7)
                return bool(answer.records)
            if d.kind == "mx":
                return (yield from _mx(e, d, name))
            answer = yield from _ask(e, name, e.type)
            return _covers(e, d, answer)


def _include(e: _Evaluation, d: Directive, domain: str) -> Lookup[bool]:
    """Section 5.2: only a pass of the other policy matches; that there is none is a mistake."""
    name = yield from _expanded(e, d.target or (), domain)
    if name is None:
        raise permerror(f"The policy of {domain} includes a name that cannot exist.")
    outcome = yield from _check(e, name, want_explanation=False)
    if outcome.result == "none":
        raise permerror(f"The policy of {domain} includes {name}, which publishes none.")
    return outcome.result == "pass"


def _mx(e: _Evaluation, d: Directive, name: str | None) -> Lookup[bool]:
    answer = yield from _ask(e, name, "MX")
    hosts = [mx.host for mx in answer.records if mx.host]
    if len(hosts) > MAX_HOSTS:
        raise permerror(f"{name} has more than {MAX_HOSTS} mail exchangers.")
    for host in hosts:
        addresses = yield from _ask(e, macro.as_name(host), e.type)
        if _covers(e, d, addresses):
            return True
    return False


def _covers(e: _Evaluation, d: Directive, answer: DnsAnswer) -> bool:
    prefix = d.prefix4 if e.client.version == 4 else d.prefix6
    network = ip_network((e.client, prefix), strict=False)
    for text in answer.records:
        address = ip_address(text)
        if address.version == network.version and address in network:
            return True
    return False


def _ptr(e: _Evaluation, d: Directive, domain: str) -> Lookup[bool]:
    """Section 5.5: a host name of the client that maps back to it is the target or below it; errors match nothing."""
    target = domain if d.target is None else (yield from _expanded(e, d.target, domain))
    if target is None:
        return False
    for name in (yield from _client_names(e)):
        if (name == target or name.endswith("." + target)) and (yield from _maps_back(e, name)):
            return True
    return False


def _client_names(e: _Evaluation) -> Lookup[list[str]]:
    if e.names is None:
        answer = yield DnsQuery(e.client.reverse_pointer, "PTR")
        e.names = [name for text in answer.records[:MAX_HOSTS] if (name := macro.as_name(text)) is not None]
    return e.names


def _maps_back(e: _Evaluation, name: str) -> Lookup[bool]:
    if name not in e.validated:
        answer = yield DnsQuery(name, e.type)
        e.validated[name] = any(ip_address(text) == e.client for text in answer.records)
    return e.validated[name]


def _host_name(e: _Evaluation, domain: str) -> Lookup[str]:
    """The p macro (section 7.3): the domain itself, else a name below it, else any name that maps back."""
    names = yield from _client_names(e)
    below = "." + domain
    for name in sorted(names, key=lambda n: 0 if n == domain else 1 if n.endswith(below) else 2):
        if (yield from _maps_back(e, name)):
            return name
    return "unknown"


def _text(e: _Evaluation, template: Template, domain: str) -> Lookup[str]:
    host = (yield from _host_name(e, domain)) if macro.uses(template, "p") else ""
    session = e.session

    def value(letter: str) -> str:
        match letter:
            case "s":
                return f"{e.local}@{e.sender_domain}"
            case "l":
                return e.local
            case "o":
                return e.sender_domain
            case "d":
                return domain
            case "i":
                return macro.dotted(e.client)
            case "p":
                return host
            case "v":
                return "in-addr" if e.client.version == 4 else "ip6"
            case "h":
                return session.helo
            case "c":
                return str(e.client)
            case "r":
                return session.receiver or "unknown"
            case _:
                return str(int(session.now.timestamp()))

    return macro.expand(template, value)


def _expanded(e: _Evaluation, template: Template, domain: str) -> Lookup[str | None]:
    return macro.as_name((yield from _text(e, template, domain)))


def _explain(e: _Evaluation, target: Template, domain: str) -> Lookup[str]:
    """Section 6.2: whatever goes wrong with it, the result stands and there is no explanation."""
    name = yield from _expanded(e, target, domain)
    if name is None:
        return DEFAULT_EXPLANATION
    answer = yield DnsQuery(name, "TXT")
    if len(answer.records) != 1 or len(answer.records[0]) > record.MAX_RECORD or not answer.records[0].isascii():
        return DEFAULT_EXPLANATION
    try:
        template = macro.read(answer.records[0].decode("ascii"), explanation=True)
    except Stopped:
        return DEFAULT_EXPLANATION
    text = yield from _text(e, template, domain)
    return macro.printable(text, limit=500)
