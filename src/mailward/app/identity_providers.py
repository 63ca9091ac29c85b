"""Settings of providers people may sign in with: `[[sign_in.provider]]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from mailward.app.forms import Each, Network, Place, Text
from mailward.protocol.federation.provider import GITHUB, ISSUERS, KINDS, OIDC, Provider

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_LABELS = {"google": "Google", "github": "GitHub"}


class ProvidersError(ValueError):
    """What is wrong with a provider's settings, for whoever writes them."""


class ProviderSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One provider. Its redirect address is `<public_url>/sign-in/with/<name>/callback`."""

    name: Annotated[str, Text(64)]
    kind: Annotated[str, Text(64)] = OIDC
    """`oidc`, `google` or `github`."""
    label: Annotated[str, Text(255)] = ""
    """What the button says; by default the name."""
    issuer: Annotated[str, Text()] = ""
    """For `oidc`: the issuer, exactly as its discovery document writes it. For `github`: an Enterprise server."""
    client_id: Annotated[str, Text()]
    client_secret_file: Annotated[str, Place()]
    """A file with the secret; it is never written into the settings."""
    link_by_address: bool = True
    """Whether an address the provider verified links an account that exists; otherwise people link it themselves."""
    networks: Annotated[list[str], Each(Network())] = msgspec.field(default_factory=list)
    """Private networks the provider may be in, for an issuer on one's own network. By default none."""

    def provider(self) -> Provider:
        """With its secret. ProvidersError when the file cannot be read."""
        try:
            secret = Path(self.client_secret_file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as e:
            raise ProvidersError(f"sign_in.provider {self.name}: {self.client_secret_file}: {e}") from e
        label = self.label or _LABELS.get(self.kind) or self.name.capitalize()
        issuer = self.issuer or ISSUERS.get(self.kind, "")
        return Provider(self.name, label, self.kind, issuer, self.client_id, secret)


def check_providers(providers: Sequence[ProviderSettings]) -> None:
    """ProvidersError naming the first provider that cannot be used."""
    names = [p.name for p in providers]
    for p in providers:
        where = f"sign_in.provider {p.name!r}"
        if not _NAME.fullmatch(p.name) or names.count(p.name) > 1:
            raise ProvidersError(f"{where}: a name of its own, of small letters, digits and dashes")
        if p.kind not in KINDS:
            raise ProvidersError(f"{where}: kind is one of {', '.join(sorted(KINDS))}")
        issuer = urlsplit(p.issuer or ISSUERS.get(p.kind, ""))
        if p.issuer and p.kind not in (OIDC, GITHUB):
            raise ProvidersError(f"{where}: leave the issuer out; it is known")
        if issuer.scheme not in ("https", "http") or not issuer.hostname or issuer.query or issuer.fragment:
            raise ProvidersError(f"{where}: issuer is an https address without query")
        if issuer.scheme == "http" and issuer.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ProvidersError(f"{where}: http is for an issuer on this machine only")
        for network in p.networks:
            try:
                ip_network(network)
            except ValueError as e:
                raise ProvidersError(f"{where}: {e}") from e
