"""From the code a browser brings back to an identity: what to ask the provider, in order."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from mailward.protocol.federation import id_token
from mailward.protocol.federation.proofs import Begun
from mailward.protocol.federation.provider import Endpoints, FederationError, Provider

FORM = "application/x-www-form-urlencoded"


class Ask(NamedTuple):
    """A request to make. `url` "jwks" and "jwks again" stand for the issuer's keys, which the driver keeps."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Said(NamedTuple):
    """Who the provider says it is. `email` is empty unless the provider says that it verified it."""

    subject: str
    email: str
    name: str


Exchange = Generator[Ask, Any, Said]
"""Yields an Ask, is sent the decoded JSON of a 200 answer, and returns who it was. Raises FederationError."""


def openid(
    provider: Provider, endpoints: Endpoints, begun: Begun, code: str, redirect_uri: str, *, now: float
) -> Exchange:
    """OpenID Connect Core 1.0 sections 3.1.3 and 5.3."""
    answer = yield _token_request(provider, endpoints, begun, code, redirect_uri)
    token = answer.get("id_token") if isinstance(answer, dict) else None
    if not isinstance(token, str):
        raise FederationError("no identity token")
    keys = yield Ask("GET", "jwks")
    try:
        claims = id_token.verify(token, keys, endpoints, client_id=provider.client_id, nonce=begun.nonce, now=now)
    except id_token.UnknownKey:
        # Issuers rotate their keys: those kept here may be yesterday's.
        keys = yield Ask("GET", "jwks again")
        claims = id_token.verify(token, keys, endpoints, client_id=provider.client_id, nonce=begun.nonce, now=now)
    if "email" not in claims and endpoints.userinfo and isinstance(access := answer.get("access_token"), str):
        more = yield Ask("GET", endpoints.userinfo, {"Authorization": f"Bearer {_visible(access)}"})
        # Section 5.3.2: what is said of another subject must not be used.
        if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
            raise FederationError("the user information is of somebody else")
        claims = {**more, **claims}
    # Exactly true: providers that answer "true", 1 or nothing did not say that they verified it.
    email = claims.get("email") if claims.get("email_verified") is True else ""
    return Said(claims["sub"], _text(email), _text(claims.get("name")))


def github(provider: Provider, endpoints: Endpoints, begun: Begun, code: str, redirect_uri: str) -> Exchange:
    """GitHub: the account's number, which never changes, and its primary address when that is verified."""
    answer = yield _token_request(provider, endpoints, begun, code, redirect_uri)
    access = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(access, str):
        raise FederationError("no access token")
    headers = {
        "Authorization": f"Bearer {_visible(access)}",
        "Accept": "application/vnd.github+json",
        "User-Agent": "Mailward",
    }
    user = yield Ask("GET", endpoints.userinfo, headers)
    number = user.get("id") if isinstance(user, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise FederationError("the account has no number")
    emails = yield Ask("GET", f"{endpoints.userinfo}/emails", headers)
    primary = [
        e["email"]
        for e in (emails if isinstance(emails, list) else [])
        if isinstance(e, dict) and e.get("primary") is True and e.get("verified") is True and "email" in e
    ]
    return Said(str(number), _text(primary[0] if primary else ""), _text(user.get("name")))


def _token_request(provider: Provider, endpoints: Endpoints, begun: Begun, code: str, redirect_uri: str) -> Ask:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": begun.verifier,
    }
    headers = {"Content-Type": FORM, "Accept": "application/json"}
    if endpoints.basic:
        pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    else:
        form |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
    return Ask("POST", endpoints.token, headers, urlencode(form).encode())


def read_json(body: bytes) -> Any:
    """An answer's body. FederationError when it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise FederationError("the provider's answer is no JSON") from None


def _visible(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token or len(token) > 8192:
        raise FederationError("an access token that cannot be sent")
    return token


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= 254 else ""
