"""A platform in memory, so that the edge is tested by itself: it keeps the promises of `ports`, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, MailwardError, NotFound, Unauthenticated
from mailward.base.ids import WorkspaceId
from mailward.edges.web.schema import (
    alerts,
    audit,
    domains,
    keys,
    messages,
    suppressions,
    webhooks,
    workspace,
)
from mailward.edges.web.schema import redaction as redaction_types
from mailward.edges.web.schema.common import PageQuery
from mailward.edges.web.schema.submission import Asked, Given, Idempotency, Keyed, Outcome, Outgoing
from mailward.policy.access import SCOPE_PERMISSIONS, Actor, Scope
from tests.edges.web.fake_access import FakeAccess
from tests.edges.web.fake_inbound import FakeInbound
from tests.edges.web.fake_members import FakeMembers
from tests.edges.web.fake_roles import FakeRoles
from tests.edges.web.fake_templates import FakeTemplates
from tests.edges.web.fake_tracking import FakeTracking

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
WORKSPACE = WorkspaceId(ids.encode("ws", bytes(15) + b"\x01"))
ADMIN, SEND, READ = "mw_live_admin", "mw_live_send", "mw_live_read"
KEYS = {f"mw_live_{scope.value}": scope for scope in Scope}
_number = itertools.count(1)


def new_id(prefix: str) -> str:
    """An id nobody else has."""
    return ids.encode(prefix, next(_number).to_bytes(16, "big"))


class FixedClock:
    """Time stands where the test puts it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds


class CountingEntropy:
    """Bytes that differ each time."""

    def __init__(self) -> None:
        self._n = 0

    def bytes(self, n: int) -> bytes:
        self._n += 1
        return self._n.to_bytes(n, "big")


class FakeAuthenticator:
    """A key for each scope, named after it."""

    def __init__(self) -> None:
        self.asked = 0

    async def authenticate(self, token: str, ip: str) -> Actor:
        self.asked += 1
        scope = KEYS.get(token)
        if scope is None:
            raise Unauthenticated("unauthenticated", "Send a key that is not revoked.")
        return Actor(WORKSPACE, "key", new_id("key"), SCOPE_PERMISSIONS[scope])


class FakeReadiness:
    """Ready unless told otherwise."""

    def __init__(self) -> None:
        self.parts = {"storage": True, "keys": True}

    async def check(self) -> dict[str, bool]:
        return self.parts


class FakeMessages:
    """Accepts whatever comes from example.com or demo.mailward.test."""

    def __init__(self) -> None:
        self.submitted: list[Outgoing] = []
        self.kept: dict[str, tuple[Outgoing, messages.Accepted]] = {}
        self.answers: dict[str, tuple[bytes, list[Outcome]]] = {}
        self.calls = 0

    async def repeat(
        self, actor: Actor, key: Idempotency, asked: Callable[[int], Asked], *, batch: bool
    ) -> list[Outcome | None] | None:
        earlier = self.answers.get(key.key)
        if earlier is None:
            return None
        if earlier[0] != key.body_hash:
            raise Conflict("idempotency_key_reused", "This Idempotency-Key was used with another body.")
        told: list[Outcome | None] = []
        for n, outcome in enumerate(earlier[1]):
            if isinstance(outcome, Given):
                asks = asked(n)
                assert (asks.message_id, list(asks.recipients)) == (
                    outcome.accepted.message_id, [d.recipient for d in outcome.accepted.deliveries],
                )  # fmt: skip
                outcome = Given(outcome.accepted, replayed=True)
            told.append(None if isinstance(outcome, messages.DryRun) else outcome)
        return told

    async def submit(
        self, actor: Actor, items: Sequence[Outgoing | MailwardError], *, atomic: bool, keyed: Keyed | None = None
    ) -> list[Outcome]:
        self.calls += 1
        decided = self._decided(items, atomic)
        key = keyed.key if keyed is not None else next((i.idempotency for i in items if isinstance(i, Outgoing)), None)
        if key is not None and any(isinstance(o, Given) for o in decided):
            self.answers[key.key] = (key.body_hash, decided)
        return decided

    def _decided(self, items: Sequence[Outgoing | MailwardError], atomic: bool) -> list[Outcome]:
        if atomic and any(isinstance(item, MailwardError) for item in items):
            other = Conflict("batch_refused", "Another message of this batch was refused.")
            return [i if isinstance(i, MailwardError) else other for i in items]
        decided = [i if isinstance(i, MailwardError) else self._one(i) for i in items]
        if atomic and any(isinstance(outcome, MailwardError) for outcome in decided):
            other = Conflict("batch_refused", "Another message of this batch was refused.")
            return [o if isinstance(o, MailwardError) else other for o in decided]
        return decided

    def _one(self, item: Outgoing) -> Outcome:
        if item.header_from.rpartition("@")[2] not in ("example.com", "demo.mailward.test"):
            return Forbidden("domain_not_verified", "The domain is not verified in this workspace.")
        if item.dry_run:
            return messages.DryRun(
                dry_run=True,
                would="queue",
                reasons=["the domain is verified"],
                message_id=item.message_id,
                size=len(item.content),
                recipients=[messages.DryRunRecipient(recipient=r, status="queued") for r in item.recipients],
                headers=[],
            )
        message = new_id("msg")
        accepted = messages.Accepted(
            id=message,
            message_id=item.message_id,
            status="scheduled" if item.scheduled_at else "queued",
            deliveries=[
                messages.AcceptedDelivery(id=new_id("dlv"), recipient=r, status="queued") for r in item.recipients
            ],
        )
        self.submitted.append(item)
        self.kept[message] = (item, accepted)
        return Given(accepted)

    def _facts(self, message: str) -> dict[str, Any]:
        if message not in self.kept:
            raise NotFound("not_found", "There is no message with that id.")
        item, accepted = self.kept[message]
        return {
            "id": message,
            "message_id": accepted.message_id,
            "status": accepted.status,
            "from_": item.header_from,
            "to": item.to,
            "subject": item.subject,
            "stream": item.stream,
            "tags": list(item.tags),
            "size": len(item.content),
            "recipients": len(item.recipients),
            "test_mode": item.test_mode,
            "created_at": NOW,
        }

    async def find(self, actor: Actor, query: messages.MessageQuery) -> messages.MessagePage:
        found = [messages.MessageSummary(**self._facts(m)) for m in list(self.kept)[-query.limit :]]
        return messages.MessagePage(data=found)

    async def get(self, actor: Actor, message: str) -> messages.MessageDetail:
        return messages.MessageDetail(**self._facts(message))

    async def events(self, actor: Actor, message: str) -> messages.EventPage:
        self._facts(message)
        return messages.EventPage(data=[messages.Event(id=new_id("evt"), type="accepted", at=NOW, message=message)])

    async def explain(self, actor: Actor, message: str) -> messages.Explanation:
        self._facts(message)
        return messages.Explanation(id=message, status="queued", summary="It waits.", deliveries=[])

    async def raw(self, actor: Actor, message: str) -> bytes:
        self._facts(message)
        return self.kept[message][0].content

    async def content(self, actor: Actor, message: str) -> messages.Content:
        return messages.Content(subject=self._facts(message)["subject"], text="", html="", attachments=[])

    async def cancel(self, actor: Actor, message: str) -> messages.MessageDetail:
        return await self.get(actor, message)

    async def release(self, actor: Actor, message: str) -> messages.MessageDetail:
        return await self.get(actor, message)

    async def sending(self, actor: Actor) -> messages.Sending:
        return messages.Sending(paused=[], held=False)

    async def pause(self, actor: Actor, request: messages.PauseSending) -> messages.Sending:
        return await self.sending(actor)

    async def resume(self, actor: Actor, request: messages.ResumeSending) -> messages.Sending:
        return await self.sending(actor)

    async def release_held(self, actor: Actor, request: messages.ReleaseHeld) -> messages.Released:
        return messages.Released(released=1, more=False)

    async def reschedule(self, actor: Actor, message: str, request: messages.Reschedule) -> messages.MessageDetail:
        return await self.get(actor, message)

    async def erase(self, actor: Actor, message: str) -> None:
        self._facts(message)
        del self.kept[message]

    async def resend(self, actor: Actor, message: str) -> messages.Accepted:
        self._facts(message)
        return self.kept[message][1]


class FakeSuppressions:
    """A dict."""

    def __init__(self) -> None:
        self.kept: dict[str, suppressions.Suppression] = {}

    async def find(self, actor: Actor, query: suppressions.SuppressionQuery) -> suppressions.SuppressionPage:
        found = [s for a, s in self.kept.items() if query.address in (None, a)]
        return suppressions.SuppressionPage(data=found[: query.limit])

    async def add(self, actor: Actor, request: suppressions.AddSuppression) -> suppressions.Suppression:
        entry = suppressions.Suppression(
            address=request.address, reason=request.reason, stream=request.stream, created_at=NOW
        )
        self.kept[request.address] = entry
        return entry

    async def remove(self, actor: Actor, address: str) -> None:
        if self.kept.pop(address, None) is None:
            raise NotFound("not_found", "The address is not suppressed.")

    async def import_csv(self, actor: Actor, text: str) -> suppressions.Imported:
        return suppressions.Imported(added=len(text.splitlines()), known=0, refused=0, reasons=[])

    async def export_csv(self, actor: Actor) -> str:
        return "address\r\n" + "".join(f"{a}\r\n" for a in self.kept)


class FakeDomains:
    """A dict."""

    def __init__(self) -> None:
        self.kept: dict[str, domains.DomainDetail] = {}

    async def add(self, actor: Actor, request: domains.AddDomain) -> domains.DomainDetail:
        found = domains.DomainDetail(id=new_id("dom"), name=request.name, status="pending", created_at=NOW)
        self.kept[found.id] = found
        return found

    async def list(self, actor: Actor, query: PageQuery) -> domains.DomainPage:
        found = [
            domains.DomainSummary(id=d.id, name=d.name, status=d.status, created_at=NOW) for d in self.kept.values()
        ]
        return domains.DomainPage(data=found[: query.limit])

    async def get(self, actor: Actor, domain: str) -> domains.DomainDetail:
        if domain not in self.kept:
            raise NotFound("not_found", "There is no domain with that id.")
        return self.kept[domain]

    check = get
    rotate = get

    async def remove(self, actor: Actor, domain: str) -> None:
        await self.get(actor, domain)
        del self.kept[domain]


class FakeKeys:
    """Two dicts."""

    def __init__(self) -> None:
        self.keys: dict[str, keys.Key] = {}
        self.credentials: dict[str, keys.Credential] = {}

    async def create_key(self, actor: Actor, request: keys.CreateKey) -> keys.NewKey:
        facts: dict[str, Any] = {
            "id": new_id("key"),
            "name": request.name,
            "prefix": "mw_live_ab",
            "scopes": list(request.scopes),
            "networks": request.networks,
            "created_at": NOW,
        }
        self.keys[facts["id"]] = keys.Key(**facts)
        return keys.NewKey(**facts, secret="mw_live_abcdef")

    async def list_keys(self, actor: Actor, query: PageQuery) -> keys.KeyPage:
        return keys.KeyPage(data=list(self.keys.values())[: query.limit])

    async def revoke_key(self, actor: Actor, key: str) -> None:
        if self.keys.pop(key, None) is None:
            raise NotFound("not_found", "There is no key with that id.")

    async def rotate_key(self, actor: Actor, key: str, request: keys.Rotate) -> keys.NewKey:
        if key not in self.keys:
            raise NotFound("not_found", "There is no key with that id.")
        old = self.keys[key]
        new = await self.create_key(actor, keys.CreateKey(name=old.name, scopes=["send"], networks=old.networks))
        old.successor = new.id
        return new

    async def release_key(self, actor: Actor, key: str) -> None:
        if key not in self.keys:
            raise NotFound("not_found", "There is no key with that id.")
        self.keys[key].paused_at = None

    async def paused(self, actor: Actor) -> list[keys.Paused]:
        found = [("keys", k) for k in self.keys.values()] + [("credentials", c) for c in self.credentials.values()]
        return [
            keys.Paused(area=area, id=c.id, name=c.name, paused_at=c.paused_at, reason=c.pause_reason)  # type: ignore[arg-type]
            for area, c in found
            if c.paused_at is not None
        ]

    async def create_credential(self, actor: Actor, request: keys.CreateCredential) -> keys.NewCredential:
        facts: dict[str, Any] = {
            "id": new_id("smtp"),
            "name": request.name,
            "username": "u1",
            "networks": request.networks,
            "created_at": NOW,
        }
        self.credentials[facts["id"]] = keys.Credential(**facts)
        return keys.NewCredential(**facts, password="p")

    async def list_credentials(self, actor: Actor, query: PageQuery) -> keys.CredentialPage:
        return keys.CredentialPage(data=list(self.credentials.values())[: query.limit])

    async def revoke_credential(self, actor: Actor, credential: str) -> None:
        if self.credentials.pop(credential, None) is None:
            raise NotFound("not_found", "There is no credential with that id.")

    async def rotate_credential(self, actor: Actor, credential: str, request: keys.Rotate) -> keys.NewCredential:
        if credential not in self.credentials:
            raise NotFound("not_found", "There is no credential with that id.")
        old = self.credentials[credential]
        new = await self.create_credential(actor, keys.CreateCredential(name=old.name, networks=old.networks))
        old.successor = new.id
        return new

    async def release_credential(self, actor: Actor, credential: str) -> None:
        if credential not in self.credentials:
            raise NotFound("not_found", "There is no credential with that id.")
        self.credentials[credential].paused_at = None


class FakeWebhooks:
    """A dict."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def _facts(self, webhook: str) -> dict[str, Any]:
        if webhook not in self.kept:
            raise NotFound("not_found", "There is no webhook with that id.")
        return self.kept[webhook]

    async def create(self, actor: Actor, request: webhooks.CreateWebhook) -> webhooks.NewWebhook:
        facts: dict[str, Any] = {
            "id": new_id("whk"),
            "url": request.url,
            "events": list(request.events),
            "description": request.description,
            "enabled": True,
            "created_at": NOW,
        }
        self.kept[facts["id"]] = facts
        return webhooks.NewWebhook(**facts, secret="whsec_x")

    async def list(self, actor: Actor, query: PageQuery) -> webhooks.WebhookPage:
        return webhooks.WebhookPage(data=[webhooks.Webhook(**f) for f in self.kept.values()][: query.limit])

    async def get(self, actor: Actor, webhook: str) -> webhooks.Webhook:
        return webhooks.Webhook(**self._facts(webhook))

    async def change(self, actor: Actor, webhook: str, request: webhooks.ChangeWebhook) -> webhooks.Webhook:
        return webhooks.Webhook(**self._facts(webhook))

    async def remove(self, actor: Actor, webhook: str) -> None:
        self._facts(webhook)
        del self.kept[webhook]

    async def test(self, actor: Actor, webhook: str) -> webhooks.TestQueued:
        self._facts(webhook)
        return webhooks.TestQueued(event=new_id("evt"))

    async def attempts(self, actor: Actor, webhook: str, query: webhooks.AttemptQuery) -> webhooks.AttemptPage:
        self._facts(webhook)
        return webhooks.AttemptPage(data=[])

    async def events(self, actor: Actor, webhook: str, query: webhooks.ToldQuery) -> webhooks.WebhookEventPage:
        self._facts(webhook)
        return webhooks.WebhookEventPage(data=[])

    async def event(self, actor: Actor, webhook: str, event: str) -> webhooks.WebhookEventDetail:
        self._facts(webhook)
        raise NotFound("not_found", "There is no such event.")

    def _replay(self, webhook: str) -> webhooks.Replay:
        self._facts(webhook)
        return webhooks.Replay(
            id=new_id("rpl"), webhook=webhook, created_at=NOW, since=NOW, until=NOW, only="failed", total=1,
            pending=1, delivered=0, failed=0, cancelled=0, finished=False, more=False,
        )  # fmt: skip

    async def replay(self, actor: Actor, webhook: str, request: webhooks.StartReplay) -> webhooks.Replay:
        return self._replay(webhook)

    async def replays(self, actor: Actor, webhook: str, query: PageQuery) -> webhooks.ReplayPage:
        return webhooks.ReplayPage(data=[self._replay(webhook)])

    async def replay_progress(self, actor: Actor, webhook: str, replay: str) -> webhooks.Replay:
        return self._replay(webhook)

    async def rotate_secret(self, actor: Actor, webhook: str) -> webhooks.NewWebhook:
        return webhooks.NewWebhook(**self._facts(webhook), secret="whsec_y")


class FakeTransfers:
    """One that is open."""

    async def ask(self, actor: Actor, domain: str) -> domains.DomainTransfer:
        if domain != "dom_x":
            raise NotFound("not_found", "There is no domain with that id.")
        return domains.DomainTransfer(
            id="trf_x", domain="dom_x", name="example.com", direction="asked", status="open", asked_at=NOW
        )

    async def list(self, actor: Actor) -> domains.DomainTransfers:
        return domains.DomainTransfers(data=[await self.ask(actor, "dom_x")])

    async def decide(self, actor: Actor, id: str, grant: bool) -> None:
        if id != "trf_x":
            raise NotFound("not_found", "There is no such transfer.")


class FakeLeaks:
    """Takes anything."""

    async def report(self, token: str, where: str, address: str = "") -> None:
        return None


class FakeAudit:
    """One entry."""

    async def entries(self, actor: Actor, query: audit.AuditQuery) -> audit.AuditPage:
        entry = audit.AuditEntry(
            index=0, at=NOW, actor_kind="key", actor="key_x", act="domain.added", target="dom_x", facts={}, leaf_hash=""
        )
        return audit.AuditPage(data=[entry])

    async def checkpoint(self, actor: Actor) -> audit.Checkpoint:
        return audit.Checkpoint(note="mailward\n1\n\n", size=1, root_hash="")

    async def proof(self, actor: Actor, query: audit.ProofQuery) -> audit.Proof:
        if query.index:
            raise NotFound("not_found", "The log has no such entry.")
        return audit.Proof(kind="inclusion", size=1, hashes=[], index=query.index)

    async def export(self, actor: Actor, query: audit.AuditExportQuery) -> bytes:
        return b"log"

    async def csv(self, actor: Actor, query: audit.AuditQuery) -> str:
        return "index\r\n"


class FakeAlerts:
    """One alert, `alr_` and twenty-six zeros."""

    async def page(self, actor: Actor, query: PageQuery) -> alerts.AlertPage:
        return alerts.AlertPage(data=[await self.acknowledge(actor, "alr_" + "0" * 26)])

    async def acknowledge(self, actor: Actor, id: str) -> alerts.Alert:
        if id != "alr_" + "0" * 26:
            raise NotFound("not_found", "There is no alert with that id.")
        return alerts.Alert(
            id=id, at=NOW, rule="key-abuse", severity="high", subject="key_x", sentence="It was refused.",
            acknowledged_at=NOW, acknowledged_by=f"{actor.kind} {actor.id}",
        )  # fmt: skip


class FakeWorkspace:
    """One workspace."""

    async def get(self, actor: Actor) -> workspace.WorkspaceDetail:
        return workspace.WorkspaceDetail(id=actor.workspace, name="Demo", status="active", created_at=NOW)

    async def retention(self, actor: Actor) -> workspace.Retention:
        return workspace.Retention(
            messages_days=60, content_days=60, own_messages_days=None, own_content_days=None,
            default_messages_days=60, default_content_days=60,
        )  # fmt: skip

    async def change_retention(self, actor: Actor, request: workspace.ChangeRetention) -> workspace.Retention:
        return await self.retention(actor)

    async def redaction(self, actor: Actor) -> redaction_types.Redaction:
        keep = redaction_types.FieldRule(mode="keep", after_hours=0)
        return redaction_types.Redaction(subject=keep, addresses=keep, ip=keep, body=keep)

    async def change_redaction(
        self, actor: Actor, request: redaction_types.ChangeRedaction
    ) -> redaction_types.Redaction:
        return await self.redaction(actor)

    async def revokes_leaked(self, actor: Actor) -> bool:
        return False

    async def change_leak_response(self, actor: Actor, revoke: bool) -> None:
        return None

    async def usage(self, actor: Actor, query: workspace.UsageQuery) -> workspace.Usage:
        return workspace.Usage(data=[workspace.UsageDay(date="2030-01-01", counts={"accepted": 1})])

    async def events(self, actor: Actor, query: workspace.EventQuery) -> messages.EventPage:
        return messages.EventPage(data=[])


class FakePlatform:
    """Everything at once."""

    def __init__(self) -> None:
        self.messages = FakeMessages()
        self.suppressions = FakeSuppressions()
        self.domains = FakeDomains()
        self.keys = FakeKeys()
        self.leaks = FakeLeaks()
        self.transfers = FakeTransfers()
        self.tracking = FakeTracking()
        self.webhooks = FakeWebhooks()
        self.templates = FakeTemplates()
        self.inbound = FakeInbound()
        self.members = FakeMembers()
        self.roles = FakeRoles()
        self.access = FakeAccess()
        self.audit = FakeAudit()
        self.alerts = FakeAlerts()
        self.workspace = FakeWorkspace()
