"""What checks ask the running doors with: credentials that live as long as the question, and a client's two protocols.

Questions come from a loopback address drawn at random, so that a limit per source address
that a check drives to its end is nobody else's.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from mailward.app.checks.transport import Talk, lenient
from mailward.app.context import Context
from mailward.app.settings import is_loopback, split_address
from mailward.core.identity.credentials import Wish, create_key, create_smtp, revoke_key
from mailward.core.identity.model import CredentialKind, Issued
from mailward.policy.access import Scope

_SECONDS = 15.0


class NotThere(Exception):
    """The door to be asked is off or does not answer; the text says which."""


def fresh_source(context: Context) -> str:
    """An address of 127.0.0.0/8 that nobody else is likely to use now."""
    a, b, c = context.entropy.bytes(3)
    return f"127.{1 + a % 254}.{b}.{1 + c % 254}"


@asynccontextmanager
async def temporary(context: Context, wish: Wish, kind: CredentialKind = CredentialKind.KEY) -> AsyncIterator[Issued]:
    """A credential of the workspace that is revoked at the end, whatever happens."""
    make = create_key if kind is CredentialKind.KEY else create_smtp
    now = context.clock.now()
    wish = replace(wish, name=f"verify: {wish.name}")
    issued = await context.store.write(
        context.actor.workspace, lambda tx: make(tx, context.actor, wish, now=now, entropy=context.entropy)
    )
    try:
        yield issued
    finally:
        await end(context, issued)


async def end(context: Context, issued: Issued) -> None:
    """Revoke a credential."""
    now = context.clock.now()
    await context.store.write(
        context.actor.workspace, lambda tx: revoke_key(tx, context.actor, issued.credential.id, now=now)
    )


def secret(issued: Issued) -> str:
    """What a client would present."""
    assert issued.secret is not None
    return issued.secret.reveal()


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer of the HTTP API."""

    status: int
    headers: Mapping[str, str]
    body: Any
    set_cookies: tuple[str, ...] = ()
    """Each Set-Cookie field, as it came."""

    @property
    def code(self) -> str:
        """The stable code of a problem; "" when it is none."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


def api_address(context: Context) -> tuple[str, int]:
    """The loopback listener of the HTTP API; NotThere without one, since plain HTTP is answered nowhere else."""
    for listen in context.settings.http.listen:
        host, port = split_address(listen)
        if is_loopback(host):
            return host, port
    raise NotThere("no HTTP listener on loopback to ask")


async def ask(
    context: Context,
    method: str,
    path: str,
    *,
    key: str = "",
    body: Any = None,
    source: str = "",
    headers: Mapping[str, str] | None = None,
) -> Heard:
    """One request to the API, as a client sends it. `body` is encoded as JSON unless it is bytes."""
    host, port = api_address(context)
    sent = dict(headers or {})
    if key:
        sent["Authorization"] = f"Bearer {key}"
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    if content is not None:
        sent.setdefault("Content-Type", "application/json")
    local = (source, 0) if source and ":" not in host else None

    def go() -> Heard:
        connection = http.client.HTTPConnection(host, port, timeout=_SECONDS, source_address=local)
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            raw = answer.read()
            told = {k.lower(): v for k, v in answer.getheaders()}
            is_json = "json" in told.get("content-type", "") and raw
            cookies = tuple(answer.msg.get_all("set-cookie") or ())
            return Heard(answer.status, told, json.loads(raw) if is_json else raw, cookies)
        finally:
            connection.close()

    try:
        return await asyncio.to_thread(go)
    except OSError:
        raise NotThere(f"{host}:{port} does not answer; is the platform running?") from None


def submission_address(context: Context) -> str:
    """The STARTTLS listener; NotThere without one."""
    listeners = context.settings.submission.starttls
    if not listeners:
        raise NotThere("no STARTTLS listener to ask")
    return listeners[0]


@asynccontextmanager
async def submission(
    context: Context, source: str = "", address: str = "", tls: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[Talk]:
    """A dialogue with the STARTTLS listener after its handshake and EHLO. `talk.greeting` is the reply to EHLO.

    Another node's listener is named by `address`, with what its certificate has to show.
    """
    address = address or submission_address(context)
    try:
        talk = await Talk.open(address, source)
    except OSError:
        raise NotThere(f"{address} does not answer; is the platform running?") from None
    try:
        await talk.answer()
        await talk.say("EHLO verify.invalid")
        await talk.say("STARTTLS")
        async with asyncio.timeout(_SECONDS):
            await talk.writer.start_tls(tls or lenient(), server_hostname=name or None)
        talk.greeting = await talk.say("EHLO verify.invalid")
        yield talk
    except (ssl.SSLError, ConnectionError, TimeoutError) as e:
        raise NotThere(f"{address} ended the dialogue ({type(e).__name__})") from None
    finally:
        await talk.leave()


async def sign_in(talk: Talk, user: str, password: str) -> str:
    """The reply to AUTH PLAIN."""
    return await talk.say("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())


SENDING = Wish("a question", frozenset({Scope.SEND}))
EVERYTHING = Wish("a question", frozenset({Scope.ADMIN}))
