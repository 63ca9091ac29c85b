"""The two identities of a session (RFC 7208 sections 2.3 and 2.4)."""

from __future__ import annotations

from dataclasses import replace

import idna

from mailward.protocol.dns import Lookup
from mailward.protocol.spf.check import check_host
from mailward.protocol.spf.model import Session, Verdict


def check_helo(session: Session) -> Lookup[Verdict]:
    """The HELO identity. A name without a dot or an address literal has no policy: none."""
    helo = a_labels(session.helo)
    verdict = yield from check_host(session, helo, f"postmaster@{helo}")
    return replace(verdict, identity="helo")


def check_mail_from(session: Session, sender: str) -> Lookup[Verdict]:
    """The MAIL FROM identity: `sender` without angle brackets; "" is the null path, for which HELO's name stands."""
    if not sender:
        helo = a_labels(session.helo)
        return (yield from check_host(session, helo, f"postmaster@{helo}"))
    local, _, domain = sender.rpartition("@")
    domain = a_labels(domain)
    return (yield from check_host(session, domain, f"{local}@{domain}"))


def a_labels(domain: str) -> str:
    """The domain in A-labels (RFC 7208 section 4.3); what cannot be converted stays, and is no domain to check."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain[:300], uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return domain
