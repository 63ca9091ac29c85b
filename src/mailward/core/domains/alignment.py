"""Whether mail from a domain passes DMARC: which of its two ways is aligned now, as DNS was last seen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from mailward.core.domains.model import Domain, DomainState, KeyPair
from mailward.core.domains.rotation import active

_POLICY = re.compile(r";\s*p\s*=\s*(none|quarantine|reject)\s*(?:;|$)", re.IGNORECASE)


class Alignment(NamedTuple):
    """RFC 9989 section 4.4: one of the two is enough. `policy` is the p= that receivers see, "" without a record."""

    dkim: bool
    spf: bool
    policy: str

    @property
    def passes(self) -> bool:
        """Whether mail passes DMARC."""
        return self.dkim or self.spf


def alignment(domain: Domain, pairs: Iterable[KeyPair]) -> Alignment:
    """DKIM is aligned while DNS shows a key of the pair that signs (d= is the domain); SPF once the return path is
    below the domain, as then MAIL FROM is. A domain that sends nothing is aligned in nothing.
    """
    policy = ""
    for check in domain.checks:
        if check.record.purpose == "dmarc":
            policy = next((m[1].lower() for text in check.found if (m := _POLICY.search(text))), "")
    if domain.state not in (DomainState.VERIFIED, DomainState.CAPTURE_ONLY):
        return Alignment(False, False, policy)
    signing = active(pairs)
    names = (
        {f"{s}._domainkey.{domain.name}" for s in (signing.rsa_selector, signing.ed25519_selector)}
        if signing
        else set()
    )
    shown = any(c.record.name in names and c.state == "ok" for c in domain.checks)
    return Alignment(shown, domain.own_return_path, policy)
