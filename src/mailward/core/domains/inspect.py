"""Look at what DNS shows for a domain and say, record by record, what to do. Sans-I/O: DNS is asked by `yield`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from mailward.core.domains.inbound_tls import inspect_inbound_tls
from mailward.core.domains.model import (
    CheckState,
    Domain,
    Inspection,
    InstallationNames,
    KeyPair,
    KeyShown,
    KeyState,
    Record,
    RecordCheck,
)
from mailward.core.domains.names import suffixes
from mailward.core.domains.records import (
    dkim_records,
    dmarc_record,
    ownership_record,
    return_path_record,
    spf_record,
    tracking_records,
)
from mailward.core.domains.spf_cover import SpfView, flatten, spf_texts
from mailward.protocol.dns import DnsAnswer, DnsQuery, Lookup, Mx

_SHOWN_LIMIT = 8  # records of one name that are worth showing
_FAILED = ("servfail", "timeout")


def inspect(domain: Domain, pairs: Sequence[KeyPair], names: InstallationNames) -> Lookup[Inspection]:
    """Ask for every record of the domain; at most about 40 questions."""
    ownership, _ = yield from _exact(ownership_record(domain, names), prefix="mailward-verify=")
    checks = [ownership]
    shown: dict[str, KeyShown] = {}
    ttls: dict[str, int] = {}
    for pair in pairs:
        if pair.state is KeyState.REMOVED:
            continue
        first = pair.state is KeyState.PUBLISHING and domain.verified_at is None
        results = []
        for record in dkim_records(domain, pair, first=first):
            check, ttl = yield from _key(record, revoked=pair.state is KeyState.REVOKED)
            results.append(check)
            ttls[pair.id] = max(ttl, ttls.get(pair.id, 0))
        checks += results
        shown[pair.id] = _together(results)
    checks.append((yield from _spf(domain, names)))
    return_path = yield from _return_path(domain, names)
    checks.append(return_path)
    checks.append((yield from _dmarc(domain, names)))
    checks += yield from inspect_inbound_tls(domain)
    for record in tracking_records(domain, names):
        checks.append((yield from _alias(record)))
    checks.sort(key=lambda c: not c.record.required)
    return Inspection(tuple(checks), ownership.state, return_path.state, shown, ttls)


def _together(checks: Iterable[RecordCheck]) -> KeyShown:
    states = {c.state for c in checks}
    if states == {"ok"}:
        return "shown"
    return "absent" if states - {"ok", "temporary"} else "unknown"


def _publish(record: Record) -> str:
    return f"Publish a {record.type} record at {record.name} with the value: {record.value}"


def _temporary(record: Record) -> RecordCheck:
    hint = f"The DNS servers of {record.name} did not answer. Nothing is concluded from that; check again later."
    return RecordCheck(record, "temporary", (), hint)


def _texts(answer: DnsAnswer) -> list[str]:
    return [t.decode("utf-8", "replace") for t in cast("tuple[bytes, ...]", answer.records)]


def _exact(record: Record, *, prefix: str) -> Lookup[tuple[RecordCheck, int]]:
    """A TXT record that must be there as it is; others beside it do not matter."""
    answer = yield DnsQuery(record.name, "TXT")
    if answer.status in _FAILED:
        return _temporary(record), 0
    texts = [t.strip() for t in _texts(answer)]
    if record.value in texts:
        return RecordCheck(record, "ok", (record.value,)), answer.ttl
    ours = [t for t in texts if t.startswith(prefix)]
    if ours:
        hint = f"The value at {record.name} is another one. Replace it with: {record.value}"
        return RecordCheck(record, "wrong", tuple(ours[:_SHOWN_LIMIT]), hint), answer.ttl
    return RecordCheck(record, "missing", tuple(texts[:_SHOWN_LIMIT]), _publish(record) + _doubled(record)), answer.ttl


def _doubled(record: Record) -> str:
    return (
        f". If your provider adds the domain by itself, enter only the part before it ({record.name.split('.')[0]}…)."
    )


def key_tags(text: str) -> dict[str, str] | None:
    """The tags of a key record, white space removed from values; None when malformed (RFC 6376 section 3.2)."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name or name in tags:
            return None
        tags[name] = "".join(value.split())
    return tags


def _key(record: Record, *, revoked: bool) -> Lookup[tuple[RecordCheck, int]]:
    """A DKIM key record: compared tag by tag, since spaces, order and defaults do not matter."""
    answer = yield DnsQuery(record.name, "TXT")
    if answer.status in _FAILED:
        return _temporary(record), 0
    texts = _texts(answer)
    found = tuple(texts[:_SHOWN_LIMIT])
    if not texts:
        if revoked:
            return RecordCheck(record, "ok"), answer.ttl
        return RecordCheck(record, "missing", (), _publish(record)), answer.ttl
    if len(texts) > 1:
        hint = f"There are {len(texts)} TXT records at {record.name}; verifiers may take any. Keep only: {record.value}"
        return RecordCheck(record, "multiple", found, hint), answer.ttl
    problem = _key_problem(texts[0], key_tags(record.value) or {})
    if not problem:
        return RecordCheck(record, "ok", found), answer.ttl
    hint = f"{problem} Replace the TXT record at {record.name} with: {record.value}"
    return RecordCheck(record, "wrong", found, hint), answer.ttl


def _key_problem(text: str, wanted: dict[str, str]) -> str:
    tags = key_tags(text)
    if tags is None or "p" not in tags:
        return "The record is no DKIM key record."
    if not tags["p"] and not wanted["p"]:
        return ""
    if tags.get("v", "DKIM1") != "DKIM1":
        return "The record's version is not DKIM1."
    if tags.get("k", "rsa") != wanted["k"]:
        return f"The record is for another kind of key (k={tags.get('k', 'rsa')[:20]})."
    if tags["p"] != wanted["p"]:
        if not wanted["p"]:
            return "This key is retired and should be shown as revoked, or its record removed."
        if not tags["p"]:
            return "The key is marked as revoked (p= is empty)."
        if wanted["p"].startswith(tags["p"]):
            return "The key is cut short; enter the whole value, in several strings if the provider asks for that."
        return "The key is not the one that signs."
    if "h" in tags and "sha256" not in tags["h"].split(":"):
        return "The record forbids SHA-256 (h=)."
    if not {"*", "email"} & set(tags.get("s", "*").split(":")):
        return "The record is not for e-mail (s=)."
    if "y" in tags.get("t", "").split(":"):
        return "The record says the domain only tests DKIM (t=y), so that verifiers ignore the signature."
    return ""


def _spf(domain: Domain, names: InstallationNames) -> Lookup[RecordCheck]:
    record = spf_record(domain, names)
    view = yield from flatten(domain.name)
    if view.state == "missing":
        return RecordCheck(record, "missing", (), _publish(record))
    if view.state == "temporary":
        return _temporary(record)
    if view.state == "multiple":
        hint = "There is more than one SPF record, so receivers ignore all (RFC 7208 section 4.5). Merge them into one."
        return RecordCheck(record, "multiple", tuple(view.record.split(" | ")), hint)
    found = (view.record,)
    ours = names.spf_host in view.includes or (bool(names.sources) and view.covers(names.sources))
    if not ours:
        merged = merge_spf(view, names.spf_host)
        hint = f"Change the TXT record at {domain.name} to: {merged}"
        if view.lookups >= 10:
            hint += " — and remove an include first, since ten DNS look-ups are the limit."
        return RecordCheck(record._replace(value=merged), "wrong", found, hint)
    if view.trouble:
        return RecordCheck(record._replace(value=view.record), "wrong", found, view.trouble)
    return RecordCheck(record._replace(value=view.record), "ok", found)


def merge_spf(view: SpfView, host: str) -> str:
    """The existing record with our include before its `all` or redirect, everything else as it is."""
    terms = view.record.split()
    ours = f"include:{host}"
    for at, term in enumerate(terms):
        if term.lower().lstrip("+-~?") == "all" or term.lower().startswith("redirect="):
            return " ".join([*terms[:at], ours, *terms[at:]])
    return " ".join([*terms, ours, "~all"])


def _alias(record: Record) -> Lookup[RecordCheck]:
    """A name that leads to a host of ours."""
    alias = yield DnsQuery(record.name, "CNAME")
    if alias.status in _FAILED:
        return _temporary(record)
    if alias.status != "ok":
        return RecordCheck(record, "missing", (), _publish(record))
    found = tuple(alias.records[:_SHOWN_LIMIT])
    if found == (record.value,):
        return RecordCheck(record, "ok", found)
    return RecordCheck(
        record, "wrong", found, f"The CNAME at {record.name} points elsewhere. Point it at: {record.value}"
    )


def _return_path(domain: Domain, names: InstallationNames) -> Lookup[RecordCheck]:
    """The CNAME, or an MX to us with an SPF record that includes ours."""
    record = return_path_record(domain, names)
    alias = yield DnsQuery(record.name, "CNAME")
    if alias.status in _FAILED:
        return _temporary(record)
    if alias.status == "ok":
        found = tuple(alias.records[:_SHOWN_LIMIT])
        if found == (names.bounce_host,):
            return RecordCheck(record, "ok", found)
        hint = f"The CNAME at {record.name} points elsewhere. Point it at: {names.bounce_host}"
        return RecordCheck(record, "wrong", found, hint)
    exchangers = yield DnsQuery(record.name, "MX")
    spf = yield DnsQuery(record.name, "TXT")
    if exchangers.status in _FAILED or spf.status in _FAILED:
        return _temporary(record)
    hosts = tuple(mx.host for mx in cast("tuple[Mx, ...]", exchangers.records))
    if not hosts:
        return RecordCheck(record, "missing", (), _publish(record))
    if not set(hosts) <= set(names.mx_hosts):
        hint = f"The MX records at {record.name} point elsewhere. Remove them, then: {_publish(record)}"
        return RecordCheck(record, "wrong", hosts[:_SHOWN_LIMIT], hint)
    texts = spf_texts(spf)
    if len(texts) == 1 and f"include:{names.spf_host}" in texts[0].lower().split():
        return RecordCheck(record, "ok", hosts[:_SHOWN_LIMIT])
    hint = f"With MX instead of CNAME, {record.name} also needs one TXT record: v=spf1 include:{names.spf_host} -all"
    return RecordCheck(record, "wrong", hosts[:_SHOWN_LIMIT], hint)


def _dmarc(domain: Domain, names: InstallationNames) -> Lookup[RecordCheck]:
    """A policy of the domain's own or of one above it (RFC 9989 section 4.10: at most eight questions)."""
    record = dmarc_record(domain, names)
    labels = domain.name.split(".")
    own = suffixes().privatesuffix(domain.name) or domain.name
    above = [".".join(labels[i:]) for i in range(len(labels) - own.count("."))]
    for name in [above[0], *above[1:][-7:]]:
        answer = yield DnsQuery(f"_dmarc.{name}", "TXT")
        if answer.status in _FAILED:
            return _temporary(record)
        texts = [t for t in _texts(answer) if t.replace(" ", "").startswith("v=DMARC1")]
        found = tuple(texts[:_SHOWN_LIMIT])
        if len(texts) > 1:
            hint = f"There are {len(texts)} DMARC records at _dmarc.{name}, so that receivers ignore all. Keep one."
            return RecordCheck(record, "multiple", found, hint)
        if texts:
            state, hint = _policy(texts[0], name, record)
            return RecordCheck(record._replace(value=texts[0]) if state == "ok" else record, state, found, hint)
    return RecordCheck(record, "missing", (), _publish(record))


def _policy(text: str, name: str, record: Record) -> tuple[CheckState, str]:
    tags = key_tags(text)
    if tags is None or tags.get("p", "none").lower() not in ("none", "quarantine", "reject"):
        return "wrong", f"The DMARC record at _dmarc.{name} is malformed. Replace it with: {record.value}"
    return "ok", ""
