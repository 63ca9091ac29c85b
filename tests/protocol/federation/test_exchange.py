"""What is believed of a provider's answer, and every forgery of it that is not."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from mailward.protocol.federation import exchange, proofs, provider
from mailward.protocol.federation.exchange import Said
from mailward.protocol.federation.proofs import Begun
from mailward.protocol.federation.provider import Endpoints, FederationError, Provider

NOW = 1_900_000_000.0
ISSUER = "https://id.example"
ME = Provider("work", "Work", "oidc", ISSUER, "client-1", "s3cret")
BACK = "https://mail.example/sign-in/with/work/callback"
KEY = RSAKey.generate_key(2048, {"kid": "one"})
NEXT = RSAKey.generate_key(2048, {"kid": "two"})
AT = Endpoints(ISSUER, ISSUER + "/auth", ISSUER + "/token", ISSUER + "/keys", ISSUER + "/me", frozenset({"RS256"}))


def begun(purpose: str = proofs.SIGN_IN, bound: str = "") -> Begun:
    return proofs.begin("work", purpose, now=NOW, entropy=bytes(range(32)), bound=bound)


def good(**changes: Any) -> dict[str, Any]:
    claims = {
        "iss": ISSUER, "aud": "client-1", "sub": "42", "iat": NOW - 5, "exp": NOW + 300, "nonce": begun().nonce,
        "email": "olive@example.com", "email_verified": True, "name": "Olive",
    }  # fmt: skip
    return {k: v for k, v in (claims | changes).items() if v is not None}


def signed(claims: dict[str, Any], key: Any = KEY, **header: Any) -> str:
    head = {"alg": "RS256", "kid": key.kid, **header}
    made: str = jws.serialize_compact(head, json.dumps(claims), key, algorithms=[head["alg"]])
    return made


def published(*keys: Any) -> dict[str, Any]:
    return {"keys": [k.as_dict(private=False) for k in keys]}


def come(token: str, keys: Any = None, again: Any = None, me: Any = None, at: Endpoints = AT) -> Said:
    """Drive the exchange with what the provider would answer."""
    steps = exchange.openid(ME, at, begun(), "code", BACK, now=NOW)
    ask = next(steps)
    try:
        while True:
            if ask.url == at.token:
                ask = steps.send({"id_token": token, "access_token": "access"})
            elif ask.url == "jwks":
                ask = steps.send(keys or published(KEY))
            elif ask.url == "jwks again":
                ask = steps.send(again or published(KEY))
            else:
                ask = steps.send(me)
    except StopIteration as done:
        said: Said = done.value
        return said


@pytest.mark.asvs("10.1.1")
def test_a_right_token_says_who_it_was() -> None:
    """Subject, verified address and name of a token that is right in every part."""
    assert come(signed(good())) == Said("42", "olive@example.com", "Olive")
    assert come(signed(good(aud=["client-1", "other"], azp="client-1"))).subject == "42"


@pytest.mark.asvs("6.8.2", "9.2.1", "9.2.3", "10.5.1", "10.5.4")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"}, {"iss": ISSUER + "/"}, {"aud": "client-2"}, {"aud": ["client-2"]},
        {"aud": None}, {"aud": ["client-1", "client-2"]}, {"azp": "client-2"}, {"exp": NOW - 61}, {"exp": None},
        {"exp": "soon"}, {"exp": True}, {"iat": NOW + 61}, {"nbf": NOW + 61}, {"nonce": None}, {"nonce": "other"},
        {"sub": None}, {"sub": ""}, {"sub": 42}, {"sub": "x" * 256},
    ],
)  # fmt: skip
def test_a_claim_that_is_not_right_refuses_the_token(changes: dict[str, Any]) -> None:
    """Another issuer, audience, party or nonce, times that are over or missing, no subject: each alone refuses it."""
    with pytest.raises(FederationError):
        come(signed(good(**changes)))


def _none() -> str:
    part = [base64.urlsafe_b64encode(json.dumps(x).encode()).decode().rstrip("=") for x in ({"alg": "none"}, good())]
    return ".".join(part) + "."


def _hmac_with_the_public_key() -> str:
    """By hand: joserfc itself refuses to sign so."""
    head, body = ({"alg": "HS256", "kid": "one"}, good())
    text = ".".join(base64.urlsafe_b64encode(json.dumps(x).encode()).decode().rstrip("=") for x in (head, body))
    mac = hmac.digest(KEY.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def _own_key_in_the_header() -> str:
    own = RSAKey.generate_key(2048, {"kid": "one"})
    return signed(good(), own, kid="one", jwk=own.as_dict(private=False))


FORGERIES: dict[str, Callable[[], str]] = {
    "no signature": _none,
    "hmac with the public key": _hmac_with_the_public_key,
    "the token's own key": _own_key_in_the_header,
    "another key under a known name": lambda: signed(good(), NEXT, kid="one"),
    "a name that is a path": lambda: signed(good(), NEXT, kid="../../dev/null"),
    "an algorithm that was not offered": lambda: signed(good(), KEY, alg="PS256"),
    "a curve key where RSA is offered": lambda: signed(
        good(), ECKey.generate_key("P-256", {"kid": "one"}), alg="ES256"
    ),
    "claims changed after signing": lambda: ".".join(
        [signed(good()).split(".")[0], signed(good(sub="1")).split(".")[1], signed(good()).split(".")[2]]
    ),
    "not a token": lambda: "hello",
    "a header that is a list": lambda: "W10.e30.",
    "very long": lambda: signed(good(pad="x" * 20_000)),
}


@pytest.mark.asvs("6.8.2", "9.1.1", "9.1.2", "9.1.3")
@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused(name: str) -> None:
    """alg none, key confusion, header tricks, wrong keys, altered claims: none of it is believed."""
    with pytest.raises(FederationError):
        come(FORGERIES[name]())


@pytest.mark.asvs("9.1.3")
def test_a_rotated_key_is_fetched_once() -> None:
    """A key that is not known is looked for again, once; then the token stands or falls."""
    assert come(signed(good(), NEXT), published(KEY), published(KEY, NEXT)).subject == "42"
    with pytest.raises(FederationError):
        come(signed(good(), NEXT), published(KEY), published(KEY))


@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize("verified", [None, False, "true", 1])
def test_an_address_that_is_not_verified_is_not_taken(verified: Any) -> None:
    """Exactly true counts; what a provider only claims is not even kept."""
    assert come(signed(good(email_verified=verified))).email == ""


def test_user_information_of_somebody_else_is_not_used() -> None:
    """The address may come from the user information, but only when that is of the token's subject."""
    token = signed(good(email=None, email_verified=None))
    more = {"sub": "42", "email": "olive@example.com", "email_verified": True}
    assert come(token, me=more).email == "olive@example.com"
    with pytest.raises(FederationError):
        come(token, me=more | {"sub": "43"})


@pytest.mark.asvs("2.3.1", "7.6.2", "10.1.2", "10.2.1", "10.2.2")
def test_an_answer_counts_for_the_browser_that_asked() -> None:
    """State of another browser, provider, purpose or session, too late, or a cookie that was altered: refused."""
    out = begun()
    assert proofs.come_back(out.cookie, "work", out.state, now=NOW + 1) == out
    other = proofs.begin("work", proofs.SIGN_IN, now=NOW, entropy=bytes(32))
    link = begun(proofs.LINK, "session-1")
    assert proofs.come_back(link.cookie, "work", link.state, now=NOW, bound="session-1").purpose == proofs.LINK
    join = begun(proofs.JOIN, "invitation-1")
    assert proofs.come_back(join.cookie, "work", join.state, now=NOW, bound="invitation-1") == join
    with pytest.raises(FederationError):
        proofs.come_back(join.cookie, "work", join.state, now=NOW, bound="invitation-2")
    assert [proofs.purpose_of(c) for c in (join.cookie, "x.y", "")] == [proofs.JOIN, "", ""]
    refused: list[tuple[str, str, str, float, str]] = [
        ("", "work", out.state, NOW, ""),
        (other.cookie, "work", out.state, NOW, ""),
        (out.cookie, "work", other.state, NOW, ""),
        (out.cookie, "work", "", NOW, ""),
        (out.cookie, "else", out.state, NOW, ""),
        (out.cookie, "work", out.state, NOW + 601, ""),
        (out.cookie.replace(str(out.until), str(out.until + 9000)), "work", out.state, NOW + 601, ""),
        (out.cookie.replace("sign-in", "link"), "work", out.state, NOW, ""),
        (link.cookie, "work", link.state, NOW, "session-2"),
        (link.cookie, "work", link.state, NOW, ""),
    ]
    for cookie, name, state, now, bound in refused:
        with pytest.raises(FederationError):
            proofs.come_back(cookie, name, state, now=now, bound=bound)


@pytest.mark.asvs("1.2.2", "10.2.1")
def test_the_way_out_asks_for_a_code_with_pkce() -> None:
    """The browser is sent with S256, state and nonce; the secret and the verifier are not in the address."""
    url = urlsplit(proofs.authorization_url(ME, AT, begun(), BACK))
    asked = {k: v[0] for k, v in parse_qs(url.query).items()}
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    assert asked["state"] == begun().state and asked["nonce"] == begun().nonce and asked["redirect_uri"] == BACK
    assert begun().verifier not in url.query and "s3cret" not in url.query
    assert len({begun().state, begun().nonce, begun().verifier, begun().challenge}) == 4


@pytest.mark.asvs("9.1.2", "10.5.3")
def test_discovery_is_the_issuers_own() -> None:
    """Another issuer's document, one without TLS, or one that signs with shared secrets only, is not used."""
    fine = {
        "issuer": ISSUER, "authorization_endpoint": ISSUER + "/a", "token_endpoint": ISSUER + "/t",
        "jwks_uri": ISSUER + "/k", "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
    }  # fmt: skip
    assert provider.read_discovery(ISSUER, fine).algorithms == {"RS256"}
    for change in (
        {"issuer": "https://evil.example"}, {"token_endpoint": "http://id.example/t"}, {"jwks_uri": None},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    ):  # fmt: skip
        with pytest.raises(FederationError):
            provider.read_discovery(ISSUER, fine | change)


@pytest.mark.asvs("10.5.2")
@pytest.mark.parametrize(
    ("emails", "email"),
    [
        ([{"email": "o@example.com", "primary": True, "verified": True}], "o@example.com"),
        ([{"email": "o@example.com", "primary": True, "verified": False}], ""),
        ([{"email": "o@example.com", "primary": False, "verified": True}], ""),
        ({"message": "no"}, ""),
    ],
)
def test_github_is_its_number_and_its_verified_primary_address(emails: Any, email: str) -> None:
    """The login name, which can be given to somebody else, plays no part."""
    at = provider.github_endpoints("https://github.com")
    steps = exchange.github(Provider("gh", "GitHub", "github", "https://github.com", "c", "s"), at, begun(), "x", BACK)
    assert b"client_secret=s" in next(steps).body
    assert steps.send({"access_token": "t"}).url == "https://api.github.com/user"
    assert steps.send({"id": 7, "login": "olive", "name": "Olive"}).url == "https://api.github.com/user/emails"
    with pytest.raises(StopIteration) as done:
        steps.send(emails)
    assert done.value.value == Said("7", email, "Olive")
