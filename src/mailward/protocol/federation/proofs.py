"""What binds a provider's answer to the browser that asked: state, nonce and PKCE verifier, from one cookie.

The cookie holds a fresh secret, until when it counts, and what the answer is for; the
three values are keyed hashes of all of that. Nothing has to be stored on the server, and
each value is worthless without the cookie, which only this browser has (HttpOnly).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from mailward.protocol.federation.provider import GITHUB, Endpoints, FederationError, Provider

LIFE_SECONDS = 600
SIGN_IN, LINK, JOIN = "sign-in", "link", "join"
_PURPOSES = frozenset((SIGN_IN, LINK, JOIN))


@dataclass(frozen=True, slots=True)
class Begun:
    """A way out to a provider that was begun.

    `bound` ties a linking to the session that asked for it, a joining to its invitation; else "".
    """

    provider: str
    purpose: str
    until: int
    secret: str = field(repr=False)
    bound: str = field(default="", repr=False)

    @property
    def cookie(self) -> str:
        """What the browser keeps; `bound` is not in it."""
        return f"{self.provider}.{self.purpose}.{self.until}.{self.secret}"

    def _derived(self, what: str) -> str:
        text = f"{what}\n{self.provider}\n{self.purpose}\n{self.until}\n{self.bound}"
        return _b64(hmac.digest(self.secret.encode(), text.encode(), "sha256"))

    @property
    def state(self) -> str:
        """RFC 6749 section 10.12."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """OpenID Connect Core 1.0 section 15.5.2."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """RFC 7636 section 4.1: 43 characters."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """RFC 7636 section 4.2, S256."""
        return _b64(hashlib.sha256(self.verifier.encode()).digest())


def begin(provider: str, purpose: str, *, now: float, entropy: bytes, bound: str = "") -> Begun:
    """Begin; `entropy` is 32 fresh bytes."""
    return Begun(provider, purpose, int(now) + LIFE_SECONDS, _b64(entropy), bound)


def come_back(cookie: str, provider: str, state: str, *, now: float, bound: str = "") -> Begun:
    """What the browser had begun. FederationError when it had not, when it was too long ago, or for another state."""
    parts = cookie.split(".")
    if len(parts) != 4 or parts[0] != provider or parts[1] not in _PURPOSES or not parts[2].isdigit():
        raise FederationError("this browser did not ask this provider")
    begun = Begun(provider, parts[1], int(parts[2][:12]), parts[3], "" if parts[1] == SIGN_IN else bound)
    if len(parts[3]) < 43 or not now < begun.until <= now + LIFE_SECONDS + 1:
        raise FederationError("it was begun too long ago")
    if not hmac.compare_digest(state.encode("utf-8", "replace"), begun.state.encode()):
        raise FederationError("the state is not this browser's")
    return begun


def purpose_of(cookie: str) -> str:
    """What a cookie says it is for, before it is known to be good; "" for none of ours."""
    return next((part for part in cookie.split(".")[1:2] if part in _PURPOSES), "")


def authorization_url(provider: Provider, endpoints: Endpoints, begun: Begun, redirect_uri: str) -> str:
    """Where to send the browser (OpenID Connect Core 1.0 section 3.1.2.1)."""
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": "read:user user:email" if provider.kind == GITHUB else "openid email profile",
        "state": begun.state,
        "code_challenge": begun.challenge,
        "code_challenge_method": "S256",
    }
    if provider.kind != GITHUB:
        asked["nonce"] = begun.nonce
    joint = "&" if urlsplit(endpoints.authorization).query else "?"
    return endpoints.authorization + joint + urlencode(asked)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
