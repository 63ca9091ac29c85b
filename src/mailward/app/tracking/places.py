"""Where the tracked links of each domain begin, and what is tracked of its mail.

A customer's host counts once its record leads to us and a browser would accept the certificate it gets there. The
reserved domain of capture mode has no records; its links begin at a name that every browser looks for on its own
machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mailward.app.candidate import Candidate
from mailward.app.installation import Installation
from mailward.app.knowledge import KnownDomain
from mailward.app.naming import installation_names
from mailward.app.settings import Settings
from mailward.core.domains.model import SendingDomain
from mailward.core.messages.model import Tracked
from mailward.core.tracking.model import STREAMS, Modes, of_scopes
from mailward.policy.tracking import Mode, resolve

LOCAL = "localhost"


def tracked(known: KnownDomain, c: Candidate) -> Tracked | None:
    """What is tracked of a message: what it says itself, else what was said for it. None for nothing."""
    mode = Mode(c.tracking) if c.tracking else known.tracks.get(c.stream, Mode.OFF)
    if mode is Mode.OFF:
        return None
    return Tracked(mode.value, known.tracking, "" if known.tracking else known.untracked)


@dataclass(frozen=True, slots=True)
class Places:
    """What `link_places` found. `covered`: the names that the certificate is good for, None when a proxy shows one."""

    label: str
    web_host: str
    public_url: str
    covered: frozenset[str] | None
    modes: Mapping[bytes, Modes]

    def of(self, workspace: bytes, domain: SendingDomain) -> dict[str, Any]:
        """The fields of a KnownDomain that tracking is about."""
        modes = self.modes.get(workspace)
        tracks = {}
        if modes is not None:
            for stream in STREAMS:
                mode = resolve(modes.streams.get(stream), modes.domains.get(domain.id), modes.workspace)
                if mode is not Mode.OFF:
                    tracks[stream] = mode
        base, why = self.base(domain.name, domain.tracking, capture=domain.capture_only)
        return {"tracks": tracks, "tracking": base, "untracked": why}

    def base(self, name: str, host: str, *, capture: bool) -> tuple[str, str]:
        """Where links begin, or "" and why there is no such place. `host` is "" until its record was found."""
        url = urlsplit(self.public_url)
        port = f":{url.port}" if url.port is not None else ""
        if capture:
            return f"{url.scheme}://{self.label}.{LOCAL}{port}", ""
        if not self.web_host:
            return "", "this installation's web listener has no public name (http.public_url)"
        if not host:
            return "", f"the record of {self.label}.{name} was not found yet; see the domain's records"
        if url.scheme != "https":
            return "", "tracked links need HTTPS, and http.public_url is without"
        if self.covered is not None and not _covers(self.covered, host):
            return "", f"there is no certificate for {host} yet"
        return f"https://{host}{port}", ""


async def link_places(installation: Installation) -> Places:
    """As things stand now."""
    settings, store = installation.settings, installation.store
    found = await store.system_read(lambda tx: tx.tracking.all_modes())
    names = installation_names(settings)
    covered: frozenset[str] | None = frozenset()
    if names.web_host:
        covered = await _covered(installation)
    modes = {workspace: of_scopes(rows) for workspace, rows in found.items()}
    return Places(names.tracking_label, names.web_host, settings.http.public_url, covered, modes)


async def _covered(installation: Installation) -> frozenset[str] | None:
    settings = installation.settings
    if not any(settings.http.speaks_tls(listener) for listener in settings.http.listen):
        return None
    if settings.tls.acme.directory:
        newest = await installation.store.system_read(lambda tx: tx.certificates.newest())
        return frozenset(newest.names) if newest is not None else frozenset()
    return await asyncio.to_thread(_of_files, settings) if settings.tls.certificate else frozenset()


def _of_files(settings: Settings) -> frozenset[str]:
    from pathlib import Path

    from cryptography import x509

    try:
        held = x509.load_pem_x509_certificate(Path(settings.tls.certificate).read_bytes())
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return frozenset()
    return frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))


def _covers(names: frozenset[str], host: str) -> bool:
    """RFC 9525 section 6.3: a wildcard stands for one whole label, the first."""
    return host in names or "*." + host.partition(".")[2] in names
