"""Add, change, remove routes and rotate their secrets; each act is audited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from mailward.base import ids
from mailward.base.errors import Conflict, Invalid, NotFound
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.inbound.model import (
    BY_HAND,
    ROUTES_MAX,
    Attachments,
    InboundRoute,
    Mode,
    OnScannerDown,
    RouteFormat,
    SealedSecret,
    Signature,
)
from mailward.core.inbound.ports import AuditedInboundTx, InboundTx, Seal
from mailward.core.webhooks.endpoints import DESCRIPTION_MAX, OVERLAP, PUBLIC, Reach, judge_url
from mailward.policy import access
from mailward.policy.access import Actor, Permission
from mailward.policy.inbound_routes import MatchKind, judge_pattern
from mailward.protocol import webhooks as standard
from mailward.protocol.inbound import signing

_CREDENTIALS_MAX = 500


@dataclass(frozen=True, slots=True)
class RouteDraft:
    """What a route is to be. `url` and `authorize_url` may carry user and password, which are kept apart and sealed."""

    domain: str
    kind: MatchKind
    pattern: str
    url: str
    format: RouteFormat = RouteFormat.MAILWARD
    mode: Mode = Mode.STORE
    authorize_url: str = ""
    require_tls: bool = False
    on_scanner_down: OnScannerDown = OnScannerDown.DEFER
    attachments: Attachments = Attachments.INLINE
    signature: Signature = Signature.HMAC
    description: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person copies once: the secret that signs and, for ed25519, the public key that verifies."""

    secret: Secret[str]
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What this installation offers: `stored` attachments need an object store; `reach`: where routes may post to."""

    stored: bool = False
    reach: Reach = PUBLIC


async def find(tx: InboundTx, actor: Actor, route: str) -> InboundRoute:
    """One route. Raises NotFound."""
    access.require(actor, Permission.INBOUND_READ)
    found = await tx.inbound.route(ids.decode("rte", route))
    if found is None:
        raise NotFound("not_found", "There is no route with that id.")
    return found


async def page(tx: InboundTx, actor: Actor, *, cursor: str | None = None, limit: int = 25) -> list[InboundRoute]:
    """Newest first; `cursor` is the id of the last one seen. One more than `limit` tells that there is a next page."""
    access.require(actor, Permission.INBOUND_READ)
    return await tx.inbound.routes(before=ids.decode("rte", cursor) if cursor else None, limit=limit)


async def add_route(
    tx: AuditedInboundTx,
    actor: Actor,
    draft: RouteDraft,
    *,
    allowed: Allowed,
    seal: Seal,
    now: datetime,
    entropy: Entropy,
) -> tuple[InboundRoute, Shown]:
    """A new route and its secret, which is shown this once. Raises Invalid, Conflict at ROUTES_MAX routes.

    `draft.domain` is one the workspace holds, in the spelling it is compared in: see `holder.py`.
    """
    access.require(actor, Permission.INBOUND_CHANGE)
    await tx.audit.in_turn(actor.workspace)
    if await tx.inbound.count_routes() >= ROUTES_MAX:
        raise Conflict("too_many_routes", f"A workspace has at most {ROUTES_MAX} routes.")
    at = _micros(now)
    id = ids.new_raw(at // 1000, entropy)
    made = InboundRoute(
        id=id,
        workspace=ids.decode("ws", actor.workspace),
        domain=draft.domain,
        kind=draft.kind,
        pattern=judge_pattern(draft.kind, draft.pattern),
        url="",
        credentials=b"",
        format=draft.format,
        mode=draft.mode,
        authorize_url="",
        authorize_credentials=b"",
        require_tls=draft.require_tls,
        on_scanner_down=draft.on_scanner_down,
        attachments=draft.attachments,
        signature=draft.signature,
        enabled=True,
        created=at,
        description=draft.description,
    )
    changes = {"url": draft.url, "authorize_url": draft.authorize_url}
    route = _checked(_with(made, changes, allowed, seal), allowed)
    await tx.inbound.insert_route(route)
    raw = entropy.bytes(standard.SECRET_BYTES)
    await tx.inbound.put_secret(id, SealedSecret(at, seal(raw)))
    await tx.audit.append(actor, "route.added", _name(route), facts(route), now=now)
    return route, _shown(route, raw)


async def change_route(
    tx: AuditedInboundTx,
    actor: Actor,
    route: str,
    changes: Mapping[str, Any],
    *,
    allowed: Allowed,
    seal: Seal,
    now: datetime,
) -> InboundRoute:
    """Change the fields that are named. Turning a route off ends what waits for it; replay brings it back.

    A change of `signature` keeps the secret: its octets serve both.
    """
    access.require(actor, Permission.INBOUND_CHANGE)
    await tx.audit.in_turn(actor.workspace)  # it is written as a whole
    before = await find(tx, actor, route)
    given = dict(changes)
    enabled = given.pop("enabled", None)
    changed = _with(before, given, allowed, seal)
    changed = replace(changed, pattern=judge_pattern(changed.kind, changed.pattern))
    if enabled is False and changed.enabled:
        changed = replace(changed, enabled=False, disabled_reason=BY_HAND, disabled_at=_micros(now))
        await tx.inbound.end_copies(changed.id)
    elif enabled is True and not changed.enabled:
        changed = replace(
            changed, enabled=True, disabled_reason="", disabled_at=None, failing_since=None, owner_told=""
        )
    changed = _checked(changed, allowed)
    await tx.inbound.update_route(changed)
    await tx.audit.append(actor, "route.changed", route, _difference(before, changed), now=now)
    return changed


async def remove_route(tx: AuditedInboundTx, actor: Actor, route: str, *, now: datetime) -> None:
    """Remove a route with its secrets. What it received stays in the list until its term is over."""
    access.require(actor, Permission.INBOUND_CHANGE)
    await tx.audit.in_turn(actor.workspace)
    found = await find(tx, actor, route)
    await tx.inbound.delete_route(found.id)
    await tx.audit.append(actor, "route.removed", route, facts(found), now=now)


async def rotate_secret(
    tx: AuditedInboundTx,
    actor: Actor,
    route: str,
    *,
    seal: Seal,
    now: datetime,
    entropy: Entropy,
    overlap: timedelta = OVERLAP,
) -> tuple[InboundRoute, Shown]:
    """A new secret. The one before signs beside it for `overlap` (0 to 7 days), older ones end now."""
    access.require(actor, Permission.INBOUND_CHANGE)
    if not timedelta(0) <= overlap <= timedelta(days=7):
        raise Invalid("invalid_field", "The overlap is between 0 and 7 days.", field="overlap")
    await tx.audit.in_turn(actor.workspace)
    found = await find(tx, actor, route)
    at = _micros(now)
    for secret in await tx.inbound.secrets(found.id):
        ends = at + int(overlap.total_seconds() * 1_000_000) if secret.expires is None else at
        await tx.inbound.put_secret(found.id, replace(secret, expires=ends))
    await tx.inbound.drop_secrets(found.id, expired_at=at)
    raw = entropy.bytes(standard.SECRET_BYTES)
    await tx.inbound.put_secret(found.id, SealedSecret(at, seal(raw)))
    told = {"overlap_seconds": str(int(overlap.total_seconds()))}
    await tx.audit.append(actor, "route.secret_rotated", route, told, now=now)
    return found, _shown(found, raw)


def split_credentials(url: str, field: str) -> tuple[str, str]:
    """(URL without user and password, "user:password" decoded or ""). Raises Invalid."""
    try:
        parts = urlsplit(url)
        user, password, host, port = parts.username, parts.password, parts.hostname, parts.port
    except ValueError:
        raise Invalid("invalid_url", "That is not a URL.", field=field) from None
    if user is None and password is None:
        return url, ""
    credentials = f"{unquote(user or '')}:{unquote(password or '')}"
    if ":" in unquote(user or "") or not credentials.isprintable() or len(credentials) > _CREDENTIALS_MAX:
        raise Invalid("invalid_url", "The user name or password in the URL cannot be sent.", field=field)
    shown = f"[{host}]" if host and ":" in host else host or ""
    place = shown if port is None else f"{shown}:{port}"
    return urlunsplit((parts.scheme, place, parts.path, parts.query, parts.fragment)), credentials


def _with(route: InboundRoute, changes: Mapping[str, Any], allowed: Allowed, seal: Seal) -> InboundRoute:
    given = dict(changes)
    for name, kept in (("url", "credentials"), ("authorize_url", "authorize_credentials")):
        if name not in given:
            continue
        url, credentials = split_credentials(given[name], name)
        if url or name == "url":
            try:
                url = judge_url(url, allowed.reach)
            except Invalid as e:
                raise Invalid(e.code, e.public, field=name) from None
        given[name] = url
        given[kept] = seal(credentials.encode()) if credentials else b""
    return replace(route, **given)


def _checked(route: InboundRoute, allowed: Allowed) -> InboundRoute:
    if len(route.description) > DESCRIPTION_MAX:
        raise Invalid("invalid_field", f"A description has at most {DESCRIPTION_MAX} characters.", field="description")
    if route.attachments is Attachments.STORE and not allowed.stored:
        raise Invalid(
            "no_object_store",
            "This installation has no object store for attachments; its operator sets one, or choose 'inline'.",
            field="attachments",
        )
    if route.attachments is Attachments.STORE and route.format is RouteFormat.CLOUDMAILIN_RAW:
        raise Invalid("invalid_field", "The raw form holds the whole message; choose 'inline'.", field="attachments")
    return route


def _shown(route: InboundRoute, raw: bytes) -> Shown:
    if route.signature is Signature.ED25519:
        secret = "whsk_" + standard.show_secret(raw).removeprefix(standard.SECRET_PREFIX)
        return Shown(Secret(secret), signing.public_key(raw))
    return Shown(Secret(standard.show_secret(raw)))


def facts(route: InboundRoute) -> dict[str, str]:
    """What the audit log keeps of a route."""
    # The host only: paths and queries often hold tokens. A pattern is not a person's address but may be close to one.
    return {
        "domain": route.domain,
        "kind": route.kind.value,
        "host": urlsplit(route.url).hostname or "",
        "mode": route.mode.value,
        "format": route.format.value,
        "enabled": "yes" if route.enabled else "no",
    }


def _difference(before: InboundRoute, after: InboundRoute) -> dict[str, str]:
    """The facts as they are now, and the names of all fields that changed."""
    changed = [n for n in InboundRoute.__slots__ if getattr(before, n) != getattr(after, n)]
    return {**facts(after), "changed": " ".join(sorted(changed))}


def _micros(now: datetime) -> int:
    return int(now.timestamp() * 1_000_000)


def _name(route: InboundRoute) -> str:
    return ids.encode("rte", route.id)
