"""Signing on the way out, and the load of what signs: domains with their keys unsealed once per change."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime

import structlog

from mailward.adapters.vault.multibuffer import MultiBuffer
from mailward.adapters.vault.multibuffer import load as load_multibuffer
from mailward.adapters.vault.vault import Vault
from mailward.app.grouping import SigningGroup
from mailward.app.installation import Installation
from mailward.app.knowledge import Knowledge, KnownDomain
from mailward.app.metrics import Metrics
from mailward.app.naming import installation_names
from mailward.app.settings import Settings
from mailward.app.tracking.places import link_places
from mailward.base import ids
from mailward.base.errors import Unavailable
from mailward.core.domains.keys import FreshKeys, fresh_keys
from mailward.core.domains.model import DomainState
from mailward.core.domains.read import signing_snapshot
from mailward.protocol.dkim import keys as dkim_keys
from mailward.protocol.dkim.sign import Signer, prepare
from mailward.protocol.dkim.sign import sign as dkim_sign
from mailward.protocol.message import headers

log = structlog.get_logger()

_SENDS = frozenset({DomainState.VERIFIED, DomainState.CAPTURE_ONLY})


def make_keys(vault: Vault, workspace: str) -> FreshKeys:
    """A new pair of keys, sealed for one workspace. Blocks for a tenth of a second and more: call it in a thread."""
    raw = ids.decode("ws", workspace)
    return fresh_keys(lambda secret: vault.seal("dkim", secret, raw))


async def load_domains(installation: Installation) -> dict[bytes, dict[str, KnownDomain]]:
    """Every domain that may send, with its signers ready."""
    settings, vault = installation.settings, installation.vault
    names = installation_names(settings)
    snapshot = await installation.store.system_read(lambda tx: signing_snapshot(tx, names))
    places = await link_places(installation)
    out: dict[bytes, dict[str, KnownDomain]] = {}
    for workspace, domains in snapshot.workspaces.items():
        known = out[workspace] = {}
        for name, domain in domains.items():
            if domain.state not in _SENDS:
                continue
            signers = tuple(
                Signer(name, key.selector, dkim_keys.load(vault.unseal("dkim", key.sealed, workspace)))
                for key in domain.keys
            )
            known[name] = KnownDomain(
                id=domain.id,
                name=name,
                capture_only=domain.capture_only,
                subdomains=domain.subdomains,
                return_path=domain.return_path,
                signers=signers,
                selectors=tuple(key.selector for key in domain.keys),
                held_elsewhere=domain.held_elsewhere,
                **places.of(workspace, domain),
            )
    return out


def signing_library(settings: Settings) -> MultiBuffer | None:
    """What signs for several messages at once, where settings, environment and processor have it."""
    wanted = "sender" in settings.server.roles and settings.delivery.sign and settings.delivery.multibuffer
    return load_multibuffer() if wanted else None


def signing_group(settings: Settings, metrics: Metrics) -> SigningGroup | None:
    """Where a worker's deliveries meet to be signed, with its gauges; None where each is signed alone."""
    library = signing_library(settings)
    if library is None:
        return None
    metrics.gauge("signatures_together", "Signatures made together with others.", lambda: float(library.made))
    metrics.gauge("signatures_made_again", "Wrong ones, made again.", lambda: float(library.refused))
    return SigningGroup(library, lambda n: log.error("signatures_made_again", count=n))


class Signing:
    """Implements `core.delivery.attempt.Signing` from what the worker knows."""

    def __init__(self, knowledge: Knowledge, *, on: bool, group: SigningGroup | None = None) -> None:
        """`group`: where `sign` takes what it has to sign; without one it signs at once."""
        self._knowledge = knowledge
        self._on = on
        self._group = group

    def sign(
        self, workspace: bytes, domain: str, content: bytes, now: datetime
    ) -> tuple[bytes | Awaitable[bytes], tuple[str, ...]]:
        """Both signatures of the domain, with those of other messages; Unavailable when it may no longer send.

        What reads the content is done when this returns.
        """
        if self._group is None:
            return self.sign_now(workspace, domain, content, now)
        known = self._known(workspace, domain)
        if not self._on or not known.signers:
            return b"", ()
        parsed = headers.split(content)
        unsigned = prepare(parsed.fields, content[parsed.body_offset :], known.signers, now)
        return self._group.ask(unsigned), known.selectors

    def sign_now(self, workspace: bytes, domain: str, content: bytes, now: datetime) -> tuple[bytes, tuple[str, ...]]:
        """The same, for this message alone."""
        known = self._known(workspace, domain)
        if not self._on or not known.signers:
            return b"", ()
        parsed = headers.split(content)
        return dkim_sign(parsed.fields, content[parsed.body_offset :], known.signers, now), known.selectors

    def _known(self, workspace: bytes, domain: str) -> KnownDomain:
        known = self._knowledge.domain(workspace, domain)
        if known is None:
            raise Unavailable("domain_not_verified", "The sending domain is not verified now.")
        return known
