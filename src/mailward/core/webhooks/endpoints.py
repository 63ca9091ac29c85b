"""Create, change, remove endpoints and rotate their secrets; each act is audited."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import idna

from mailward.base import ids
from mailward.base.errors import Conflict, Invalid, NotFound
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.webhooks.model import EVENT_TYPES, Endpoint, SealedSecret
from mailward.core.webhooks.ports import AuditedWebhookTx, Seal, WebhookTx
from mailward.policy import access, egress
from mailward.policy.access import Actor, Permission
from mailward.policy.egress import Network, Refuse
from mailward.protocol import webhooks as standard

ENDPOINTS_MAX = 100
URL_MAX = 2000
DESCRIPTION_MAX = 200
# How long the old secret still signs beside the new one.
OVERLAP = timedelta(hours=24)
_HOST = re.compile(r"(https?://)([^/?#@:\[\]\\\s]+)")
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


@dataclass(frozen=True, slots=True)
class Reach:
    """Where this installation's webhooks may go beside public hosts over https: its own machine over http, in capture
    mode; and `networks` that its operator listed.
    """

    loopback_http: bool = False
    networks: tuple[Network, ...] = ()


PUBLIC = Reach()


def judge_url(url: str, reach: Reach) -> str:
    """The URL, its host in ASCII, if a webhook may go there. Raises Invalid, also for a literal address that is not
    public.

    Where a name leads is judged at each connection, by the egress guard.
    """
    refusal = Invalid("invalid_url", "A webhook URL starts with https:// and names a host.", field="url")
    url = _ascii_host(url)
    if len(url) > URL_MAX or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise refusal
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise refusal from None
    if not host or parts.fragment:
        raise refusal
    if parts.username is not None or parts.password is not None:
        raise Invalid("invalid_url", "A webhook URL carries no user name or password.", field="url")
    if parts.scheme == "http" and host in _LOOPBACK and reach.loopback_http:
        return url
    if parts.scheme != "https":
        raise refusal
    judged = egress.judge(host, reach.networks)
    if isinstance(judged, Refuse) and judged.reason != egress.NOT_AN_ADDRESS:
        why = f"{judged.text} No webhook goes there unless the operator lists its network in webhooks.allow_networks."
        raise Invalid("invalid_url", why, field="url")
    return url


def _ascii_host(url: str) -> str:
    """A host name in Unicode becomes A-labels (RFC 5891 section 4.4); whatever else there is stays."""
    found = _HOST.match(url)
    if found is None or found[2].isascii():
        return url
    try:
        host = idna.encode(found[2], uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return url
    return found[1] + host + url[found.end() :]


def judge_types(types: Iterable[str]) -> frozenset[str]:
    """The event types, all known ones; none or "*" means every type. Raises Invalid."""
    chosen = frozenset(types)
    if "*" in chosen:
        return frozenset()
    if unknown := chosen - EVENT_TYPES:
        raise Invalid("invalid_event_type", f"There is no event type '{min(unknown)[:64]}'.", field="events")
    return chosen


async def find(tx: WebhookTx, actor: Actor, webhook: str) -> Endpoint:
    """One endpoint. Raises NotFound."""
    access.require(actor, Permission.WEBHOOK_READ)
    endpoint = await tx.webhooks.get(ids.decode("whk", webhook))
    if endpoint is None:
        raise NotFound("not_found", "There is no webhook with that id.")
    return endpoint


async def page(tx: WebhookTx, actor: Actor, *, cursor: str | None = None, limit: int = 25) -> list[Endpoint]:
    """Newest first; `cursor` is the id of the last one seen. One more than `limit` tells that there is a next page."""
    access.require(actor, Permission.WEBHOOK_READ)
    return await tx.webhooks.page(before=ids.decode("whk", cursor) if cursor else None, limit=limit)


async def create(
    tx: AuditedWebhookTx,
    actor: Actor,
    url: str,
    *,
    types: Iterable[str] = (),
    description: str = "",
    seal: Seal,
    now: datetime,
    entropy: Entropy,
    reach: Reach = PUBLIC,
) -> tuple[Endpoint, Secret[str]]:
    """A new endpoint and its `whsec_` secret, which is shown this once. Raises Invalid, Conflict at 100 endpoints."""
    access.require(actor, Permission.WEBHOOK_CHANGE)
    url = judge_url(url, reach)
    chosen = judge_types(types)
    if len(description) > DESCRIPTION_MAX:
        raise Invalid("invalid_field", "A description has at most 200 characters.", field="description")
    if await tx.webhooks.count() >= ENDPOINTS_MAX:
        raise Conflict("too_many_webhooks", f"A workspace has at most {ENDPOINTS_MAX} webhooks.")
    at = _micros(now)
    raw = entropy.bytes(standard.SECRET_BYTES)
    id = ids.new_raw(at // 1000, entropy)
    endpoint = Endpoint(id, url, chosen, description, True, "", at)
    await tx.webhooks.insert(endpoint)
    await tx.webhooks.put_secret(id, SealedSecret(at, seal(raw)))
    await tx.audit.append(actor, "webhook.created", _name(endpoint), facts(endpoint), now=now)
    return endpoint, Secret(standard.show_secret(raw))


async def change(
    tx: AuditedWebhookTx,
    actor: Actor,
    webhook: str,
    *,
    url: str | None = None,
    types: Iterable[str] | None = None,
    description: str | None = None,
    disable: bool = False,
    now: datetime,
    reach: Reach = PUBLIC,
) -> Endpoint:
    """Change what is given. Disabling ends the jobs that wait.

    Enabling is `probe`'s: it takes an endpoint that answers, and brings nothing back (replay does).
    """
    access.require(actor, Permission.WEBHOOK_CHANGE)
    await tx.audit.in_turn(actor.workspace)  # it is written as a whole
    endpoint = await find(tx, actor, webhook)
    if url is not None:
        endpoint = replace(endpoint, url=judge_url(url, reach))
    if types is not None:
        endpoint = replace(endpoint, types=judge_types(types))
    if description is not None:
        if len(description) > DESCRIPTION_MAX:
            raise Invalid("invalid_field", "A description has at most 200 characters.", field="description")
        endpoint = replace(endpoint, description=description)
    if disable and endpoint.enabled:
        endpoint = replace(endpoint, enabled=False, disabled_reason="by hand", disabled_at=_micros(now))
        await tx.webhooks.cancel_jobs(endpoint.id)
    await tx.webhooks.update(endpoint)
    await tx.audit.append(actor, "webhook.changed", _name(endpoint), facts(endpoint), now=now)
    return endpoint


async def remove(tx: AuditedWebhookTx, actor: Actor, webhook: str, *, now: datetime) -> None:
    """Remove an endpoint with its secrets, jobs and attempts."""
    access.require(actor, Permission.WEBHOOK_CHANGE)
    endpoint = await find(tx, actor, webhook)
    await tx.webhooks.delete(endpoint.id)
    await tx.audit.append(actor, "webhook.removed", _name(endpoint), {}, now=now)


async def rotate_secret(
    tx: AuditedWebhookTx,
    actor: Actor,
    webhook: str,
    *,
    seal: Seal,
    now: datetime,
    entropy: Entropy,
    overlap: timedelta = OVERLAP,
) -> tuple[Endpoint, Secret[str]]:
    """A new secret. The one before signs beside it for `overlap` (0 to 7 days), older ones end now."""
    access.require(actor, Permission.WEBHOOK_CHANGE)
    if not timedelta(0) <= overlap <= timedelta(days=7):
        raise Invalid("invalid_field", "The overlap is between 0 and 7 days.", field="overlap")
    await tx.audit.in_turn(actor.workspace)
    endpoint = await find(tx, actor, webhook)
    at = _micros(now)
    for secret in await tx.webhooks.secrets(endpoint.id):
        ends = at + int(overlap.total_seconds() * 1_000_000) if secret.expires is None else at
        await tx.webhooks.put_secret(endpoint.id, replace(secret, expires=ends))
    await tx.webhooks.drop_secrets(endpoint.id, expired_at=at)
    raw = entropy.bytes(standard.SECRET_BYTES)
    await tx.webhooks.put_secret(endpoint.id, SealedSecret(at, seal(raw)))
    told = {"overlap_seconds": str(int(overlap.total_seconds()))}
    await tx.audit.append(actor, "webhook.secret_rotated", _name(endpoint), told, now=now)
    return endpoint, Secret(standard.show_secret(raw))


def _micros(now: datetime) -> int:
    return int(now.timestamp() * 1_000_000)


def _name(endpoint: Endpoint) -> str:
    return ids.encode("whk", endpoint.id)


def facts(endpoint: Endpoint) -> dict[str, str]:
    """What the audit log keeps of an endpoint."""
    # The host only: paths and queries of webhook URLs often hold tokens.
    return {
        "host": urlsplit(endpoint.url).hostname or "",
        "events": " ".join(sorted(endpoint.types)) or "*",
        "enabled": "yes" if endpoint.enabled else "no",
    }
