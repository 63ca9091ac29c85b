"""MTA-STS and TLS-RPT: optional records that protect mail *to* a domain, whoever receives it.

We do not receive the domain's mail, so the policy file lies with whoever serves
`mta-sts.<domain>` over HTTPS; its text is made here from the exchangers found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from mailward.core.domains.model import Domain, Record, RecordCheck
from mailward.protocol.dns import DnsQuery, Lookup, Mx

_FAILED = ("servfail", "timeout")
_SHOWN = 8
# RFC 8461 section 3.1: the version first, then an id of up to 32 letters and digits.
_STS = re.compile(r"v=STSv1\s*;\s*id=[0-9A-Za-z]{1,32}\s*(;.*)?")
# RFC 8460 section 3: the version first, then at least one mailto or https address.
_PLACE = r"(?:mailto:[^\s,;!]+@[^\s,;!]+|https://[^\s,;!]+)"
_RPT = re.compile(rf"v=TLSRPTv1\s*;\s*rua={_PLACE}(?:\s*,\s*{_PLACE})*\s*(;.*)?")
_WEEK = 604_800


def mta_sts_record(domain: Domain) -> Record:
    """The TXT record that announces a policy; its id is the day the domain was added (RFC 8461 section 3.1)."""
    return Record("mta-sts", "TXT", f"_mta-sts.{domain.name}", f"v=STSv1; id={domain.created:%Y%m%d%H%M%S}", False)


def tls_rpt_record(domain: Domain) -> Record:
    """Where senders report failed TLS with this domain's exchangers (RFC 8460 section 3)."""
    value = f"v=TLSRPTv1; rua=mailto:tls-reports@{domain.name}"
    return Record("tls-rpt", "TXT", f"_smtp._tls.{domain.name}", value, False)


def policy_file(hosts: Sequence[str]) -> str:
    """The policy to serve at https://mta-sts.<domain>/.well-known/mta-sts.txt: testing first (RFC 8461 section 3.2)."""
    lines = ["version: STSv1", "mode: testing", *(f"mx: {host}" for host in hosts), f"max_age: {_WEEK}"]
    return "\r\n".join(lines) + "\r\n"


def inspect_inbound_tls(domain: Domain) -> Lookup[list[RecordCheck]]:
    """Both records as DNS shows them. A domain that takes no mail (RFC 7505) needs neither."""
    answer = yield DnsQuery(domain.name, "MX")
    hosts = [mx.host for mx in cast("tuple[Mx, ...]", answer.records) if mx.host not in ("", ".")]
    takes_none = answer.status not in _FAILED and not hosts
    sts = yield from _one(
        mta_sts_record(domain), "v=STSv1", _STS, takes_none,
        f" First serve the policy at https://mta-sts.{domain.name}/.well-known/mta-sts.txt: "
        + policy_file(hosts).strip().replace("\r\n", " / "),
    )  # fmt: skip
    rpt = yield from _one(tls_rpt_record(domain), "v=TLSRPTv1", _RPT, takes_none, "")
    return [sts, rpt]


def _one(record: Record, version: str, form: re.Pattern[str], takes_none: bool, first: str) -> Lookup[RecordCheck]:
    answer = yield DnsQuery(record.name, "TXT")
    if answer.status in _FAILED:
        hint = f"The DNS servers of {record.name} did not answer. Nothing is concluded from that; check again later."
        return RecordCheck(record, "temporary", (), hint)
    texts = [t.decode("utf-8", "replace").strip() for t in cast("tuple[bytes, ...]", answer.records)]
    ours = [t for t in texts if t.startswith(version)]
    found = tuple(ours[:_SHOWN])
    if len(ours) > 1:
        # RFC 8461 section 3.1 and RFC 8460 section 3: with more than one, senders act as if there were none.
        hint = f"There are {len(ours)} {version} records at {record.name}, so that senders ignore all. Keep one."
        return RecordCheck(record, "multiple", found, hint)
    if ours:
        if form.fullmatch(ours[0]):
            return RecordCheck(record._replace(value=ours[0]), "ok", found)
        hint = f"The record at {record.name} is malformed. Replace it with: {record.value}"
        return RecordCheck(record, "wrong", found, hint)
    if takes_none:
        return RecordCheck(record, "missing", (), "Optional, and of no use while the domain has no MX record.")
    hint = (
        f"Optional: it protects mail sent to this domain.{first} Publish a TXT record at {record.name}: {record.value}"
    )
    return RecordCheck(record, "missing", (), hint)
