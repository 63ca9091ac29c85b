"""compose(): the request that hands a message to a route's endpoint, signed for this attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mailward.base import ids
from mailward.base.errors import Invalid
from mailward.base.sources import Entropy
from mailward.core.inbound.model import InboundRoute, ReceivedFacts, RouteFormat, Signature, hand_over_id
from mailward.protocol.authres.read import NAME, claims
from mailward.protocol.inbound import cloudmailin, own, signing
from mailward.protocol.inbound.content import Content, from_structure, without_forged
from mailward.protocol.message import headers, structure
from mailward.protocol.message.headers import Parsed

USER_AGENT = "Mailward-Inbound/1"


@dataclass(frozen=True, slots=True)
class Keys:
    """What a route signs and authenticates with, unsealed. `credentials` is "user:password" or ""."""

    secrets: Sequence[bytes] = field(repr=False)
    credentials: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def read(raw: bytes, facts: ReceivedFacts) -> Content:
    """The message as it is handed over: our trace on top, forged verdicts gone, taken apart. Never raises."""
    ours = [facts.authserv_id.lower()] if facts.authserv_id else []
    forged = [n for n, (name, field) in enumerate(_split(raw).fields) if name == NAME and claims(field, ours)]
    shown = without_forged(raw, facts.trace.encode("utf-8", "surrogateescape"), forged if ours else ())
    return from_structure(shown, _split(shown), structure.read(shown))


def _split(raw: bytes) -> Parsed:
    try:
        return headers.split(raw, tolerant=True)
    except Invalid:
        return Parsed([], 0)


def compose(
    route: InboundRoute,
    id: bytes,
    at: int,
    facts: ReceivedFacts,
    content: Content,
    keys: Keys,
    *,
    now: int,
    entropy: Entropy,
) -> Request:
    """The request for one attempt. `at` is when the message came (microseconds UTC), `now` in unix seconds."""
    message = ids.encode("rcv", id)
    event = ids.encode("evt", hand_over_id(id, route.id))
    match route.format:
        case RouteFormat.CLOUDMAILIN_JSON:
            kind, body = cloudmailin.json(facts, content, id=message)
        case RouteFormat.CLOUDMAILIN_MULTIPART:
            kind, body = cloudmailin.multipart(facts, content, entropy, id=message)
        case RouteFormat.CLOUDMAILIN_RAW:
            kind, body = cloudmailin.raw(facts, content, entropy, id=message)
        case RouteFormat.MAILWARD:
            name = ids.encode("rte", route.id)
            kind, body = own.json(facts, content, event=event, id=message, route=name, at=at)
    return Request(_headers(route, event, kind, body, keys, now), body)


def question(
    route: InboundRoute,
    keys: Keys,
    *,
    event: str,
    to: str,
    mail_from: str,
    size: int | None,
    ip: str,
    helo: str,
    now: int,
) -> Request:
    """The question at RCPT whether a recipient is wanted. SPF is not known yet: it is told as `none`."""
    kind, body = cloudmailin.authorization(
        to=to, mail_from=mail_from, size=size, ip=ip, helo=helo, spf_result="none", spf_domain=""
    )
    return Request(_headers(route, event, kind, body, keys, now), body)


def _headers(route: InboundRoute, event: str, kind: str, body: bytes, keys: Keys, now: int) -> dict[str, str]:
    signed = signing.headers(keys.secrets, event, now, body, ed25519=route.signature is Signature.ED25519)
    out = {"content-type": kind, "user-agent": USER_AGENT, **dict(signed)}
    if keys.credentials:
        user, _, password = keys.credentials.partition(":")
        out["authorization"] = signing.basic(user, password)
    return out
