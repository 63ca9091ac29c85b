"""Whose a domain is: who proved the name, or a name above it together with its sub-domains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import idna

from mailward.base.errors import Invalid
from mailward.core.domains.model import Domain, DomainState

_HELD = frozenset((DomainState.VERIFIED, DomainState.CAPTURE_ONLY))


class DomainsByName(Protocol):
    """What this needs of the domains repository."""

    async def by_name(self, name: str) -> Domain | None: ...


class DomainsTx(Protocol):
    """A transaction of one workspace."""

    @property
    def domains(self) -> DomainsByName: ...


def spelled(text: str) -> str:
    """A domain as routes are compared: A-labels, lower case, no final dot. Raises Invalid."""
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            name = ""
    labels = name.split(".")
    if (
        len(labels) < 2
        or len(name) > 253
        or not all(0 < len(x) <= 63 and x.replace("-", "a").isalnum() for x in labels)
    ):
        raise Invalid("invalid_domain", "This is not a domain name.", field="domain")
    return name


async def require_held(tx: DomainsTx, text: str) -> str:
    """The domain, spelled, if this workspace holds it: verified, or below a verified one that counts its sub-domains.

    Raises Invalid with what to do.
    """
    name = spelled(text)
    for above in upwards(name):
        domain = await tx.domains.by_name(above)
        if domain is None:
            continue
        if domain.state not in _HELD:
            raise Invalid("domain_not_verified", f"{above} is not verified yet; finish that first.", field="domain")
        if above == name or domain.subdomains:
            return name
        break
    raise Invalid(
        "domain_not_held",
        f"Add and verify {name} in this workspace first, or a domain above it with its sub-domains switched on.",
        field="domain",
    )


def holders(verified: Iterable[tuple[bytes, Domain]]) -> Mapping[str, tuple[bytes, bool]]:
    """Name -> (workspace, whether its sub-domains count), of every verified domain. A name is verified only once."""
    return {d.name: (workspace, d.subdomains) for workspace, d in verified}


def holder_of(held: Mapping[str, tuple[bytes, bool]], name: str) -> bytes | None:
    """The workspace that mail for a domain belongs to; the longest verified name decides."""
    for above in upwards(name):
        found = held.get(above)
        if found is not None:
            return found[0] if above == name or found[1] else None
    return None


def upwards(name: str) -> Iterable[str]:
    """A name and those above it, but for the last label."""
    labels = name.split(".")
    return (".".join(labels[n:]) for n in range(len(labels) - 1))
