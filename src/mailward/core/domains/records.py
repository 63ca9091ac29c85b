"""The exact records to publish for a domain, and for the installation itself."""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Iterable

from mailward.core.domains.inbound_tls import mta_sts_record, tls_rpt_record
from mailward.core.domains.model import Domain, InstallationNames, KeyPair, KeyState, Record, RecordCheck

TRACKING = "tracking"
_SHAPED = frozenset(("spf", "dmarc", "mta-sts", "tls-rpt"))
OPTIONAL = frozenset(("mta-sts", "tls-rpt", TRACKING))
"""Purposes of records that are nice to have; without them everything is sent as well as with them."""


def required_records(domain: Domain, pairs: Iterable[KeyPair], names: InstallationNames) -> list[Record]:
    """Every record the owner should publish now, the required ones first."""
    out = [ownership_record(domain, names)]
    for pair in pairs:
        if pair.state is not KeyState.REMOVED:
            out += dkim_records(domain, pair, first=pair.state is KeyState.PUBLISHING and domain.verified_at is None)
    out += [spf_record(domain, names), return_path_record(domain, names), dmarc_record(domain, names)]
    out += [mta_sts_record(domain), tls_rpt_record(domain), *tracking_records(domain, names)]
    return sorted(out, key=lambda r: not r.required)


def latest_checks(domain: Domain, pairs: Iterable[KeyPair], names: InstallationNames) -> list[RecordCheck]:
    """Each record to publish now with what the last look said of it; "unchecked" where no look has seen it yet.

    A key record is matched with its value (revoking empties p=); those that owners shape by
    themselves are not, since the check advises a value that respects what is published already.
    """
    seen = {_identity(c.record): c for c in domain.checks}
    advised = {(c.record.purpose, c.record.name): c for c in domain.checks if c.record.purpose in _SHAPED}
    out = []
    for record in required_records(domain, pairs, names):
        check = advised.get((record.purpose, record.name)) or seen.get(_identity(record))
        out.append(check or RecordCheck(record, "unchecked"))
    return out


def _identity(record: Record) -> tuple[str, str, str]:
    return record.type, record.name, record.value


def ownership_record(domain: Domain, names: InstallationNames) -> Record:
    """The token that only this workspace's owner of the domain publishes."""
    return Record("ownership", "TXT", f"{names.ownership_label}.{domain.name}", f"mailward-verify={domain.token}", True)


def dkim_records(domain: Domain, pair: KeyPair, *, first: bool) -> list[Record]:
    """Both key records of a pair (RFC 6376 section 3.6.1, RFC 8463 section 4); p= is empty once revoked."""
    revoked = pair.state is KeyState.REVOKED
    required = first or pair.state is KeyState.ACTIVE
    keys = ((pair.rsa_selector, "rsa", pair.rsa_public), (pair.ed25519_selector, "ed25519", pair.ed25519_public))
    return [
        Record(
            f"dkim-{kind}",
            "TXT",
            f"{selector}._domainkey.{domain.name}",
            f"v=DKIM1; k={kind}; p={'' if revoked else b64encode(public).decode()}",
            required,
        )
        for selector, kind, public in keys
    ]


def spf_record(domain: Domain, names: InstallationNames) -> Record:
    """SPF for a domain that has none yet; the check merges with one that exists (RFC 7208 section 3.2: only one)."""
    return Record("spf", "TXT", domain.name, f"v=spf1 include:{names.spf_host} ~all", False)


def return_path_record(domain: Domain, names: InstallationNames) -> Record:
    """The host in MAIL FROM, so that SPF aligns with the domain and bounces come back to us."""
    return Record("return-path", "CNAME", f"{names.return_path_label}.{domain.name}", names.bounce_host, False)


def tracking_records(domain: Domain, names: InstallationNames) -> list[Record]:
    """The customer's own host for tracked links, where this installation has a name that it can lead to."""
    if not names.web_host:
        return []
    return [Record(TRACKING, "CNAME", f"{names.tracking_label}.{domain.name}", names.web_host, False)]


def tracks(domain: Domain) -> bool:
    """Whether the last look found that host leading to us."""
    return any(c.record.purpose == TRACKING and c.state == "ok" for c in domain.checks)


def dmarc_record(domain: Domain, names: InstallationNames) -> Record:
    """A DMARC record to begin with: it watches and blocks nothing (RFC 9989 section 4.7)."""
    rua = names.dmarc_reports or f"dmarc@{domain.name}"
    return Record("dmarc", "TXT", f"_dmarc.{domain.name}", f"v=DMARC1; p=none; rua=mailto:{rua}", False)


def installation_records(names: InstallationNames) -> list[Record]:
    """What the operator publishes once: SPF with every source address, and the bounce host's MX and SPF."""
    networks = []
    for source in names.sources:
        network = ipaddress.ip_network(source, strict=False)
        single = network.num_addresses == 1
        networks.append(f"ip{network.version}:{network.network_address if single else network}")
    spf = " ".join(["v=spf1", *networks, "-all"])
    out = [Record("spf-host", "TXT", names.spf_host, spf, True)]
    out += [Record("bounce-mx", "MX", names.bounce_host, f"10 {host}", True) for host in names.mx_hosts]
    if names.bounce_host != names.spf_host:
        out.append(Record("bounce-spf", "TXT", names.bounce_host, f"v=spf1 include:{names.spf_host} -all", True))
    return out
