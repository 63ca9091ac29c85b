"""A provider as it was configured, and where its endpoints are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

OIDC, GOOGLE, GITHUB = "oidc", "google", "github"
KINDS = frozenset((OIDC, GOOGLE, GITHUB))
ISSUERS = {GOOGLE: "https://accounts.google.com", GITHUB: "https://github.com"}

# Asymmetric only: with a shared-secret algorithm whoever knows a public key could sign (RFC 8725 section 3.1).
ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
)


class FederationError(Exception):
    """The provider's answer cannot be trusted or used; the text is for our log."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A way to sign in. `label` is what people read on the button."""

    name: str
    label: str
    kind: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is asked, and how it signs."""

    issuer: str
    authorization: str
    token: str
    jwks: str = ""
    userinfo: str = ""
    algorithms: frozenset[str] = frozenset({"RS256"})
    basic: bool = True
    """Whether the client's secret goes into the Authorization header rather than the form (RFC 6749 section 2.3.1)."""


def discovery_url(issuer: str) -> str:
    """OpenID Connect Discovery 1.0 section 4.1."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def read_discovery(issuer: str, document: Any) -> Endpoints:
    """The endpoints of a discovery document. FederationError unless it is the issuer's own (section 4.3)."""
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise FederationError("the discovery document names another issuer")
    secure = urlsplit(issuer).scheme == "https"

    def url(name: str, *, needed: bool = True) -> str:
        value = document.get(name, "")
        if not value and not needed:
            return ""
        if not isinstance(value, str) or urlsplit(value).scheme not in (("https",) if secure else ("https", "http")):
            raise FederationError(f"the discovery document has no usable {name}")
        return value

    offered = document.get("id_token_signing_alg_values_supported")
    algorithms = ALGORITHMS & {a for a in offered if isinstance(a, str)} if isinstance(offered, list) else set()
    if not algorithms:
        raise FederationError("the issuer signs with no algorithm that is accepted here")
    ways = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Endpoints(
        issuer,
        url("authorization_endpoint"),
        url("token_endpoint"),
        url("jwks_uri"),
        url("userinfo_endpoint", needed=False),
        frozenset(algorithms),
        not isinstance(ways, list) or "client_secret_basic" in ways or "client_secret_post" not in ways,
    )


def github_endpoints(issuer: str) -> Endpoints:
    """GitHub's, or those of a GitHub Enterprise server at `issuer`."""
    base = issuer.rstrip("/")
    api = "https://api.github.com" if base == ISSUERS[GITHUB] else f"{base}/api/v3"
    return Endpoints(
        base, f"{base}/login/oauth/authorize", f"{base}/login/oauth/access_token", userinfo=f"{api}/user", basic=False
    )
