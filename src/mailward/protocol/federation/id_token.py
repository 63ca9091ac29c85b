"""The identity token: a signed statement of an issuer (OpenID Connect Core 1.0 sections 2 and 3.1.3.7)."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

from mailward.protocol.federation.provider import ALGORITHMS, Endpoints, FederationError

_LONGEST = 16_384
_LEEWAY = 60
_MOST_KEYS = 50
_LEAST_RSA_BITS = 2048
_FAMILIES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class UnknownKey(FederationError):
    """The token names a key that is not among those known: fetch them again, once."""


def verify(token: str, jwks: Any, endpoints: Endpoints, *, client_id: str, nonce: str, now: float) -> Mapping[str, Any]:
    """The claims of a token that is what it says. FederationError otherwise; UnknownKey when its key is not known."""
    if len(token) > _LONGEST or token.count(".") != 2:
        raise FederationError("not a signed token")
    header = _header(token)
    algorithm = header.get("alg")
    if algorithm not in endpoints.algorithms & ALGORITHMS:
        raise FederationError("an algorithm that is not accepted")
    if "crit" in header or "b64" in header:
        raise FederationError("an extension that is not understood")
    # The key comes from the issuer's published set by its name alone: what the token itself offers (jwk, jku, x5u)
    # or what its name might mean elsewhere (a path, a query) is never looked at.
    claims = _signed(token, algorithm, _key(jwks, header.get("kid"), algorithm))
    _judge(claims, endpoints.issuer, client_id, nonce, now)
    return claims


def _header(token: str) -> dict[str, Any]:
    try:
        part = token.partition(".")[0]
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise FederationError("a header that cannot be read") from None
    if not isinstance(header, dict):
        raise FederationError("a header that cannot be read")
    return header


def _key(jwks: Any, kid: Any, algorithm: str) -> dict[str, Any]:
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or len(keys) > _MOST_KEYS:
        raise FederationError("the issuer's keys cannot be read")
    family = _FAMILIES[algorithm[:2]]
    fit = [
        k
        for k in keys
        if isinstance(k, dict)
        and k.get("kty") == family
        and k.get("use", "sig") == "sig"
        and k.get("alg", algorithm) == algorithm
        and (kid is None or k.get("kid") == kid)
    ]
    if len(fit) != 1:
        raise UnknownKey("no single key of the issuer fits the token")
    return fit[0]


def _signed(token: str, algorithm: str, key: dict[str, Any]) -> Mapping[str, Any]:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    kinds: dict[str, Any] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    # Only what a public key is made of, whatever else the issuer's document holds.
    public = {k: v for k, v in key.items() if k in ("kty", "n", "e", "crv", "x", "y") and isinstance(v, str)}
    try:
        made = kinds[public["kty"]].import_key(public)
        if public["kty"] == "RSA" and made.public_key.key_size < _LEAST_RSA_BITS:
            raise FederationError("the issuer's key is too short")
        return jwt.decode(token, made, algorithms=[algorithm]).claims
    except FederationError:
        raise
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as e:
        raise FederationError("the signature does not verify") from e


def _judge(claims: Mapping[str, Any], issuer: str, client_id: str, nonce: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise FederationError("another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        raise FederationError("meant for another client")
    party = claims.get("azp")
    if (len(audiences) > 1 or party is not None) and party != client_id:
        raise FederationError("authorized for another client")
    expires, issued, begins = _time(claims, "exp"), _time(claims, "iat"), _time(claims, "nbf", 0)
    if now >= expires + _LEEWAY or issued > now + _LEEWAY or begins > now + _LEEWAY:
        raise FederationError("expired, or not valid yet")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode("utf-8", "replace"), nonce.encode()):
        raise FederationError("the nonce is not this browser's")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise FederationError("no subject")


def _time(claims: Mapping[str, Any], name: str, default: int | None = None) -> float:
    value = claims.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise FederationError("times that cannot be read")
    return value
