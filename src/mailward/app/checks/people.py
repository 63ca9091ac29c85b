"""AUTHN-4, AUTHN-7 and AUTHN-9: forged identities are refused, networks bind, and a removed person has nothing left."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.errors import Forbidden, MailwardError
from mailward.base.ids import UserId
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.identity import credentials, invitations, people, restrictions, sessions, tokens
from mailward.core.identity.credentials import Wish
from mailward.core.identity.entry import INVITATION_LIFE, Identity, Invitation
from mailward.core.identity.model import User
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Role
from mailward.protocol.federation import exchange, id_token, proofs
from mailward.protocol.federation.provider import Endpoints, FederationError, Provider

_INSIDE, _OUTSIDE = "192.0.2.7", "198.51.100.9"


class _Undone(Exception):
    """Carries a finding out of a transaction that is to leave nothing behind."""

    def __init__(self, wrong: str) -> None:
        super().__init__()
        self.wrong = wrong


@check("AUTHN-4")
async def forged_identities_are_refused(context: Context) -> Finding:
    """Sign identity tokens, right ones and forged ones, and look at each through what reads them at sign-in."""
    wrong, tried = forgeries(id_token.verify, context.clock.now().timestamp(), context.entropy.bytes(32))
    if wrong:
        return failed(f"an identity token was believed or refused wrongly: {', '.join(wrong)}")
    if believed := unverified(context.clock.now().timestamp(), context.entropy.bytes(32)):
        return failed(f"an address that its provider did not verify is taken: {', '.join(believed)}")
    if joined := await _undone(context, lambda tx: _joining(context, tx)):
        return failed(f"somebody joins by a provider who should not, or the other way round: {joined}")
    named = ", ".join(p.name for p in context.settings.sign_in.provider) or "none"
    return passed(
        f"a right token is believed and {tried} forged ones are not, nor an address that was not verified; "
        f"an invitation is accepted with its own verified address alone; providers set up: {named}"
    )


async def _joining(context: Context, tx: Tx) -> None:
    now, place = context.clock.now(), context.actor.workspace
    name, token = ids.new("inv", now, context.entropy), tokens.new_token(tokens.INVITATION, context.entropy)
    email, digest = f"{name}@evidence.invalid", tokens.hash_token(token.reveal(), tokens.INVITATION)
    assert digest is not None
    made = Invitation(name, place, email, Role.MEMBER, "evidence", now, now, now + INVITATION_LIFE)
    await tx.entry.add_invitation(made, digest)
    let_in = []
    for said in ("", f"other-{email}", email):
        identity = Identity("check", "https://issuer.invalid", name, said)
        with suppress(Forbidden):
            await invitations.accept_with(tx, token.reveal(), identity, now=now, entropy=context.entropy)
            let_in.append(said)
    raise _Undone("" if let_in == [email] else "another address than the invited one is enough")


def forgeries(verify: Callable[..., Any], now: float, entropy: bytes) -> tuple[list[str], int]:
    """What `verify` got wrong, and how many forgeries it was shown."""
    from joserfc import jws
    from joserfc.jwk import ECKey

    issuer, client = "https://issuer.invalid", "client"
    key, other = ECKey.generate_key("P-256", {"kid": "k"}), ECKey.generate_key("P-256", {"kid": "k"})
    at = Endpoints(issuer, issuer, issuer, issuer, "", frozenset({"ES256"}))
    begun = proofs.begin("check", proofs.SIGN_IN, now=now, entropy=entropy)
    claims = {"iss": issuer, "aud": client, "sub": "1", "iat": now, "exp": now + 60, "nonce": begun.nonce}

    def token(change: dict[str, Any], signer: Any = key) -> str:
        text = json.dumps({**claims, **change})
        made: str = jws.serialize_compact({"alg": "ES256", "kid": "k"}, text, signer, algorithms=["ES256"])
        return made

    parts = [base64.urlsafe_b64encode(json.dumps(x).encode()).decode().rstrip("=") for x in ({"alg": "none"}, claims)]
    shown = {
        "right": token({}),
        "nonce": token({"nonce": "another"}),
        "audience": token({"aud": "another"}),
        "issuer": token({"iss": "https://another.invalid"}),
        "expired": token({"exp": now - 3600}),
        "key": token({}, other),
        "unsigned": ".".join(parts) + ".",
    }
    wrong = []
    for name, text in shown.items():
        try:
            verify(text, {"keys": [key.as_dict(private=False)]}, at, client_id=client, nonce=begun.nonce, now=now)
            believed = True
        except FederationError:
            believed = False
        if believed != (name == "right"):
            wrong.append(name)
    try:
        proofs.come_back(begun.cookie, "check", "another state", now=now)
        wrong.append("state")
    except FederationError:
        pass
    return wrong, len(shown)


def unverified(now: float, entropy: bytes) -> list[str]:
    """The ways a provider does not say that it verified an address, by which ours is believed all the same; and
    "verified" when one that it did verify is not."""
    from joserfc import jws
    from joserfc.jwk import ECKey

    issuer, email = "https://issuer.invalid", "somebody@evidence.invalid"
    key = ECKey.generate_key("P-256", {"kid": "k"})
    at = Endpoints(issuer, issuer, issuer, issuer, "", frozenset({"ES256"}))
    begun = proofs.begin("check", proofs.SIGN_IN, now=now, entropy=entropy)

    def by_openid(said: dict[str, Any]) -> str:
        claims = {"iss": issuer, "aud": "client", "sub": "1", "iat": now, "exp": now + 60, "nonce": begun.nonce}
        text = json.dumps({**claims, "email": email, **said})
        token = jws.serialize_compact({"alg": "ES256", "kid": "k"}, text, key, algorithms=["ES256"])
        provider = Provider("check", "Check", "openid", issuer, "client", "secret")
        answers = [{"id_token": token}, {"keys": [key.as_dict(private=False)]}]
        return _said(exchange.openid(provider, at, begun, "code", issuer, now=now), answers)

    def by_github(said: dict[str, Any]) -> str:
        provider = Provider("check", "Check", "github", issuer, "client", "secret")
        answers = [{"access_token": "token"}, {"id": 7}, [{"email": email, **said}]]
        return _said(exchange.github(provider, at, begun, "code", issuer), answers)

    cases: list[tuple[str, Callable[[dict[str, Any]], str], dict[str, Any], str]] = [
        ("verified", by_openid, {"email_verified": True}, email),
        ("verified at GitHub", by_github, {"primary": True, "verified": True}, email),
        ("not verified", by_openid, {"email_verified": False}, ""),
        ("nothing said of it", by_openid, {}, ""),
        ('"true" for true', by_openid, {"email_verified": "true"}, ""),
        ("not verified at GitHub", by_github, {"primary": True, "verified": False}, ""),
        ("not the primary one at GitHub", by_github, {"primary": False, "verified": True}, ""),
    ]
    return [name for name, ask, said, wanted in cases if ask(said) != wanted]


def _said(asking: Any, answers: list[Any]) -> str:
    """The address that came of an exchange with a provider that answers so."""
    try:
        next(asking)
        for answer in answers:
            asking.send(answer)
    except StopIteration as end:
        return str(end.value.email)
    except FederationError:
        return "no identity"
    return "no end"


@check("AUTHN-7")
async def networks_bind(context: Context) -> Finding:
    """Restrict the workspace to one network, inside a transaction that is undone, and ask who may come."""

    async def act(tx: Tx) -> None:
        found = await tx.workspaces.get(context.actor.workspace)
        assert found is not None
        user = UserId(ids.new("usr", context.clock.now(), context.entropy))
        now = context.clock.now()
        await restrictions.restrict_workspace(tx, context.actor, ["192.0.2.0/24"], own=None, now=now)
        inside = await restrictions.allowed(tx, user, found.id, _INSIDE)
        mapped = await restrictions.allowed(tx, user, found.id, f"::ffff:{_INSIDE}")
        outside = await restrictions.allowed(tx, user, found.id, _OUTSIDE)
        try:
            await restrictions.admit(tx, user, [(found.id, Role.MEMBER)], _OUTSIDE)
            refused = False
        except Forbidden:
            refused = True
        raise _Undone("" if inside and mapped and refused and not outside else "a listed network does not bind")

    wrong = await _undone(context, act)
    return failed(wrong) if wrong else passed("a listed network lets its addresses in, mapped ones too, and no other")


@check("AUTHN-9")
async def a_removed_person_has_nothing_left(context: Context) -> Finding:
    """Give somebody a place, a session and a key; remove them, and look for each; then remove all trace."""
    now, actor = context.clock.now(), context.actor
    name = ids.new("usr", now, context.entropy)
    user = User(UserId(name), f"{name}@evidence.invalid", "Evidence", "$none", now)

    async def act(tx: Tx) -> None:
        await tx.people.add_user(user)
        await people.add_member(tx, actor, user, Role.ADMIN, now=now)
        acting = Actor(actor.workspace, "session", user.id, ROLE_PERMISSIONS[Role.ADMIN], Role.ADMIN)
        wish = Wish("evidence: does it end?")
        key = await credentials.create_key(tx, acting, wish, now=now, entropy=context.entropy)
        await sessions.create_session(
            tx, user.id, actor.workspace, Role.ADMIN, device="evidence", address=_INSIDE, now=now,
            entropy=context.entropy,
        )  # fmt: skip
        before = await tx.revocations.current()
        await people.remove_member(tx, actor, user.id, now=now)
        left = []
        if await tx.people.sessions(user.id):
            left.append("a session")
        found = await tx.credentials.get(key.credential.id)
        if found is None or found.revoked is None:
            left.append("a key")
        if await tx.people.member(actor.workspace, user.id) is not None:
            left.append("a place")
        if await tx.revocations.current() <= before:
            left.append("what other processes remember")
        raise _Undone(", ".join(left))

    left = await _undone(context, act)
    return (
        failed(f"a removed person keeps {left}") if left else passed("a removed person keeps no place, session or key")
    )


async def _undone(context: Context, act: Callable[[Tx], Any]) -> str:
    try:
        await context.store.system_write(act)
    except _Undone as e:
        return e.wrong
    except MailwardError as e:
        return e.code
    return "the transaction was not undone"
