"""A platform in memory for the dashboard, with hostile text in every field a stranger can fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from mailward.base import ids
from mailward.base.errors import Conflict, Invalid, NotFound, StepUpRequired, Unauthenticated
from mailward.base.secret import Secret
from mailward.edges.web.dashboard.ports import (
    Bucket,
    OperatorAlert,
    Puzzle,
    Requested,
    RequestsAsked,
    RequestsPage,
    Session,
    Signing,
    Span,
    Spread,
)
from mailward.edges.web.schema import alerts as alert_types
from mailward.edges.web.schema import audit, domains, keys, messages, suppressions, webhooks, workspace
from mailward.edges.web.schema import redaction as redaction_types
from mailward.edges.web.schema.common import PageQuery
from mailward.policy.access import Actor, Permission
from tests.edges.web.fake_access import FakeAccess
from tests.edges.web.fake_inbound import FakeInbound
from tests.edges.web.fake_members import FakeFederated, FakeJoining, FakeMembers
from tests.edges.web.fake_platform import FakeLeaks, FakeTransfers
from tests.edges.web.fake_roles import FakeRoles
from tests.edges.web.fake_templates import FakeTemplates
from tests.edges.web.fake_tracking import FakeTracking

T0 = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CANARY = (
    "\"'><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
    "<svg onload=document.title='pwned'>{{ 7*7 }}"
)
HOSTILE_HTML = """<p>Dear reader</p><script>parent.document.title='pwned'</script>
<img src="http://canary.invalid/pixel.png" onerror="parent.document.title='pwned'">
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==">
<style>@import url(http://canary.invalid/a.css); body{background:url(http://canary.invalid/b.png)}</style>
<div style="background:url(http://canary.invalid/c.png);position:fixed;color:red">styled</div>
<iframe src="http://canary.invalid/f" srcdoc="<script>top.document.title='pwned'</script>"></iframe>
<form action="http://canary.invalid/form"><input name=q><button>Send</button></form><base href="http://canary.invalid/">
<meta http-equiv="refresh" content="0;url=http://canary.invalid/meta"><link rel="stylesheet" href="http://canary.invalid/l">
<svg><script>parent.document.title='pwned'</script><image href="http://canary.invalid/s"/></svg>
<object data="http://canary.invalid/o"></object><embed src="http://canary.invalid/e"><video src="http://canary.invalid/v">
<a href="javascript:parent.document.title='pwned'" ping="http://canary.invalid/ping">click</a>
<a href="http://canary.invalid/link" target="_top">go</a><math><mi xlink:href="javascript:alert(1)">x</mi></math>"""


def mid(n: int) -> str:
    return ids.encode("msg", n.to_bytes(16, "big"))


class FakeEntrance:
    """Knows one link, called "good"."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.shown = Puzzle("altcha", "What is one plus one?", "token", True)

    def puzzle(self) -> Puzzle:
        return self.shown

    def offer(self) -> dict[str, Any]:
        return {"algorithm": "SHA-256", "challenge": "c", "salt": "s", "signature": "m", "maxNumber": 9}

    async def look_at(self, token: str, kind: str) -> None:
        if token != "good":
            raise NotFound("not_found", "This link does not work (any more).")

    async def confirm(self, token: str) -> None:
        await self.look_at(token, "confirm")
        self.done.append(("confirm", token))

    async def disown(self, token: str, address: str = "") -> None:
        await self.look_at(token, "disown")
        self.done.append(("disown", token))


class Alerts:
    """One, of whatever text."""

    def __init__(self, platform: FakePlatform) -> None:
        self._p = platform

    async def page(self, actor: Actor, query: PageQuery) -> alert_types.AlertPage:
        seen = alert_types.Alert(
            id="alr_2", at=T0, rule="scanning", severity="low", subject=self._p.text, sentence=self._p.text,
            acknowledged_at=T0, acknowledged_by=self._p.text,
        )  # fmt: skip
        return alert_types.AlertPage(data=[seen, msgspec.structs.replace(seen, id="alr_1", acknowledged_at=None)])

    async def acknowledge(self, actor: Actor, id: str) -> alert_types.Alert:
        self._p.done.append(("alerts.acknowledge", id))
        return (await self.page(actor, PageQuery())).data[0]

    async def everywhere(self, user: str, *, before: str, limit: int) -> list[OperatorAlert]:
        raise NotFound("not_found", "There is nothing at this path.")

    async def acknowledge_ours(self, user: str, id: str) -> None:
        raise NotFound("not_found", "There is nothing at this path.")


@dataclass
class FakePlatform:
    """Every area in one object; what acts did is kept in `done`."""

    text: str = CANARY
    done: list[tuple[Any, ...]] = field(default_factory=list)
    kept: list[messages.MessageDetail] = field(default_factory=list)
    people: dict[str, str] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    permissions: frozenset[Permission] = frozenset(Permission)
    stale: bool = False
    missing: str = ""

    messages: Any = None
    suppressions: Any = None
    domains: Any = None
    keys: Any = None
    webhooks: Any = None
    inbound: Any = None
    members: Any = None
    joining: Any = None
    federated: Any = None
    audit: Any = None
    templates: Any = None
    workspace: Any = None
    sessions: Any = None
    entrance: Any = None
    figures: Any = None
    proofs: Any = None
    security: Any = None
    access: Any = field(default_factory=FakeAccess)
    leaks: Any = field(default_factory=FakeLeaks)
    transfers: Any = field(default_factory=FakeTransfers)
    tracking: Any = None
    roles: Any = field(default_factory=FakeRoles)
    operators: Any = None
    alerts: Any = None

    def __post_init__(self) -> None:
        parts: dict[str, Callable[[FakePlatform], Any]] = {
            "messages": Messages, "suppressions": Suppressions, "domains": Domains, "keys": Keys,
            "webhooks": Webhooks, "inbound": lambda _: FakeInbound(),
            "templates": lambda p: FakeTemplates(p.text),
            "tracking": lambda p: FakeTracking(p.text, p.done),
            "members": lambda p: FakeMembers(p.text),
            "joining": lambda _: FakeJoining(), "federated": lambda _: FakeFederated(),
            "audit": Audit, "workspace": Workspace, "figures": Figures,
            "alerts": Alerts, "sessions": Sessions, "entrance": lambda _: FakeEntrance(), "security": Security,
        }  # fmt: skip
        for name, part in parts.items():
            setattr(self, name, part(self))

    def arrive(self, subject: str = "", status: Any = "queued", **over: Any) -> str:
        """A message comes in."""
        n = len(self.kept) + 1
        delivery = messages.Delivery(
            id=f"dlv_{n}",
            recipient=over.pop("to", self.text),
            status=status,
            attempts=1,
            updated_at=T0,
            reason=self.text,
        )
        self.kept.append(
            messages.MessageDetail(
                id=mid(n), message_id=f"<{n}@d.test>", status=status, from_=over.pop("from_", self.text),
                to=delivery.recipient, subject=subject, stream="transactional", tags=over.pop("tags", [self.text]),
                size=1234, recipients=1, test_mode=False, created_at=T0 + timedelta(seconds=n), source="api",
                metadata=over.pop("metadata", {self.text: self.text}), deliveries=[delivery],
            )
        )  # fmt: skip
        return mid(n)


class Part:
    def __init__(self, p: FakePlatform) -> None:
        self.p = p


class Security(Part):
    async def require_recent(self, session: Session) -> None:
        if self.p.stale:
            raise StepUpRequired("step_up_required", "Please confirm that it is you.")


class Sessions(Part):
    async def setup_open(self, token: str) -> None:
        if token != "good" or self.p.people:
            raise NotFound("not_found", "This link no longer works.")

    async def setup(self, token: str, *, email: str, password: str, workspace_name: str, **kw: Any) -> Secret[str]:
        await self.setup_open(token)
        if len(password) < 12:
            raise Invalid("weak_password", "This password is too easy to guess.", field="password")
        self.p.people[email] = password
        signing = await self.sign_in(email, password, **kw)
        assert signing.token is not None
        return signing.token

    async def sign_in(
        self, email: str, password: str, *, ip: str, user_agent: str, device: str = "", proof: str = ""
    ) -> Signing:
        if self.p.people.get(email) != password:
            raise Unauthenticated("unauthenticated", "The address or the password is wrong.")
        token = f"session-{len(self.p.live)}-{email}"
        self.p.live.add(token)
        return Signing(Secret(token))

    async def resolve(self, token: str, *, ip: str) -> Session:
        if token not in self.p.live:
            raise Unauthenticated("unauthenticated", "Sign in first.")
        actor = Actor(ids.WorkspaceId(ids.encode("ws", b"\x01" * 16)), "session", "ses_1", self.p.permissions)
        return Session(Secret(token), actor, token.split("-", 2)[2], "Acme", missing=self.p.missing)

    async def sign_out(self, session: Session) -> None:
        self.p.live.discard(session.token.reveal())


class Messages(Part):
    async def sending(self, actor: Actor) -> messages.Sending:
        pause = messages.Pause(stream="broadcast", since=T0, reason=self.p.text)
        return messages.Sending(paused=[pause], held=True)

    async def pause(self, actor: Actor, request: messages.PauseSending) -> messages.Sending:
        self.p.done.append(("pause", request.stream, request.reason))
        return await self.sending(actor)

    async def resume(self, actor: Actor, request: messages.ResumeSending) -> messages.Sending:
        self.p.done.append(("resume", request.stream))
        return await self.sending(actor)

    async def release(self, actor: Actor, message: str) -> messages.MessageDetail:
        self.p.done.append(("release message", message))
        return await self.get(actor, message)

    async def release_held(self, actor: Actor, request: messages.ReleaseHeld) -> messages.Released:
        self.p.done.append(("release held", request.stream))
        return messages.Released(released=1, more=False)

    async def find(self, actor: Actor, query: messages.MessageQuery) -> messages.MessagePage:
        found = [m for m in reversed(self.p.kept) if query.status in (None, m.status)]
        if query.cursor:
            found = [m for m in found if m.id < query.cursor]
        more = found[query.limit - 1].id if len(found) > query.limit else None
        return messages.MessagePage(data=list(found[: query.limit]), next_cursor=more)

    async def get(self, actor: Actor, message: str) -> messages.MessageDetail:
        for m in self.p.kept:
            if m.id == message:
                return m
        raise NotFound("not_found", "There is no message with that id.")

    async def events(self, actor: Actor, message: str) -> messages.EventPage:
        t = self.p.text
        return messages.EventPage(
            data=[
                messages.Event(id=f"evt_{i}", type=f"message.{w}", at=T0, message=message, recipient=t, facts={t: t})
                for i, w in enumerate(("accepted", "deferred", "delivered"))
            ]
        )

    async def explain(self, actor: Actor, message: str) -> messages.Explanation:
        m = await self.get(actor, message)
        t = self.p.text
        tries = [
            messages.Attempt(
                number=n, at=T0 + timedelta(seconds=n), elapsed_ms=41 * n, outcome=outcome, reason=t, host=t,
                ip="192.0.2.7", why_host=t, policy=t, tls={"version": "TLSv1.3", t: t}, code=code,
                enhanced="4.7.0", text=t, signed=[t], next_try_at=T0 + timedelta(minutes=5),
                dialogue=[
                    messages.DialogueLine(at_ms=1, side="them", line="220 mx.example ESMTP"),
                    messages.DialogueLine(at_ms=2, side="us", line="EHLO mail.example.com"),
                    messages.DialogueLine(at_ms=9, side="them", line=t),
                ],
            )
            for n, outcome, code in ((1, "deferred", 451), (2, "delivered", 250))
        ]  # fmt: skip
        deliveries = [
            messages.ExplainedDelivery(id=d.id, recipient=d.recipient, status=d.status, reason=d.reason, attempts=tries)
            for d in m.deliveries
        ]
        return messages.Explanation(id=m.id, status=m.status, summary=t, deliveries=deliveries)

    async def raw(self, actor: Actor, message: str) -> bytes:
        await self.get(actor, message)
        return f"Subject: {self.p.text}\r\nFrom: a@d.test\r\n\r\nBody\r\n".encode()

    async def content(self, actor: Actor, message: str) -> messages.Content:
        await self.get(actor, message)
        file = messages.ContentAttachment(filename=self.p.text, content_type="text/html", size=3)
        return messages.Content(
            subject="", text=self.p.text, html=HOSTILE_HTML, attachments=[file], defects=[self.p.text]
        )

    async def cancel(self, actor: Actor, message: str) -> messages.MessageDetail:
        self.p.done.append(("cancel", message))
        return await self.get(actor, message)

    async def erase(self, actor: Actor, message: str) -> None:
        self.p.done.append(("erase", message))

    async def resend(self, actor: Actor, message: str) -> messages.Accepted:
        self.p.done.append(("resend", message))
        return messages.Accepted(id=message, message_id="<x>", status="queued", deliveries=[])


class Suppressions(Part):
    async def find(self, actor: Actor, query: Any) -> suppressions.SuppressionPage:
        entry = suppressions.Suppression(
            address=self.p.text, reason="hard_bounce", stream=None, created_at=T0, source=mid(1), id="sup_1"
        )
        return suppressions.SuppressionPage(data=[entry])

    async def add(self, actor: Actor, request: suppressions.AddSuppression) -> suppressions.Suppression:
        self.p.done.append(("suppress", request.address))
        return (await self.find(actor, None)).data[0]

    async def remove(self, actor: Actor, address: str) -> None:
        self.p.done.append(("unsuppress", address))

    async def import_csv(self, actor: Actor, text: str) -> suppressions.Imported:
        self.p.done.append(("import", text))
        return suppressions.Imported(added=1, known=2, refused=3, reasons=[self.p.text])

    async def export_csv(self, actor: Actor) -> str:
        return "address\r\n'=cmd@example.com\r\n"


class Domains(Part):
    def one(self) -> domains.DomainDetail:
        t = self.p.text
        records = [
            domains.DnsRecord(
                purpose="ownership", type="TXT", name="_mailward.example.com", value="mw=abc", required=True,
                state="found",
            ),
            domains.DnsRecord(
                purpose="dkim", type="TXT", name="s1._domainkey.example.com", value="v=DKIM1; p=" + "A" * 300,
                required=True, state="missing", found=[t], hint=t,
            ),
        ]  # fmt: skip
        return domains.DomainDetail(
            id="dom_1", name="example.com", status="verified", created_at=T0, checked_at=T0, records=records,
            failing_since=T0, stops_sending_at=T0 + timedelta(days=3), rotation_due_at=T0,
            alignment=domains.Alignment(dkim=True, spf=False, policy="none"),
            signing_keys=[
                domains.SigningKeys(selectors=["s1r", "s1e"], state="active", created_at=T0, changed_at=T0)
            ],
        )  # fmt: skip

    async def list(self, actor: Actor, query: Any) -> domains.DomainPage:
        return domains.DomainPage(data=[self.one()])

    async def get(self, actor: Actor, domain: str) -> domains.DomainDetail:
        return self.one()

    async def add(self, actor: Actor, request: domains.AddDomain) -> domains.DomainDetail:
        if "." not in request.name:
            raise Invalid("invalid_domain", "This is not a domain name.", field="name")
        self.p.done.append(("domain", request.name))
        return self.one()

    async def check(self, actor: Actor, domain: str) -> domains.DomainDetail:
        self.p.done.append(("check", domain))
        return self.one()

    async def rotate(self, actor: Actor, domain: str) -> domains.DomainDetail:
        self.p.done.append(("rotate", domain))
        return self.one()

    async def remove(self, actor: Actor, domain: str) -> None:
        self.p.done.append(("remove domain", domain))


class Keys(Part):
    async def create_key(self, actor: Actor, request: keys.CreateKey) -> keys.NewKey:
        self.p.done.append(("key", request.name, list(request.scopes)))
        return keys.NewKey(
            id="key_2", name=request.name, prefix="mw_abc", scopes=list(request.scopes), networks=[], created_at=T0,
            secret="mw_the_secret_shown_once",
        )  # fmt: skip

    async def list_keys(self, actor: Actor, query: Any) -> keys.KeyPage:
        key = keys.Key(id="key_1", name=self.p.text, prefix="mw_abc", scopes=["send"], networks=[], created_at=T0)
        return keys.KeyPage(data=[key])

    async def revoke_key(self, actor: Actor, key: str) -> None:
        self.p.done.append(("revoke", key))

    async def rotate_key(self, actor: Actor, key: str, request: keys.Rotate) -> keys.NewKey:
        self.p.done.append(("rotate", key))
        return await self.create_key(actor, keys.CreateKey(name=self.p.text, scopes=["send"]))

    async def release_key(self, actor: Actor, key: str) -> None:
        self.p.done.append(("release", key))

    async def rotate_credential(self, actor: Actor, credential: str, request: keys.Rotate) -> keys.NewCredential:
        self.p.done.append(("rotate", credential))
        return await self.create_credential(actor, keys.CreateCredential(name=self.p.text))

    async def release_credential(self, actor: Actor, credential: str) -> None:
        self.p.done.append(("release", credential))

    async def paused(self, actor: Actor) -> list[keys.Paused]:
        return [keys.Paused(area="credentials", id="smtp_1", name=self.p.text, paused_at=T0, reason=self.p.text)]

    async def create_credential(self, actor: Actor, request: keys.CreateCredential) -> keys.NewCredential:
        self.p.done.append(("credential", request.name))
        return keys.NewCredential(
            id="smtp_2", name=request.name, username="smtp_2", networks=[], created_at=T0, password="pw_shown_once"
        )

    async def list_credentials(self, actor: Actor, query: Any) -> keys.CredentialPage:
        one = keys.Credential(id="smtp_1", name=self.p.text, username="smtp_1", networks=[], created_at=T0)
        return keys.CredentialPage(data=[one])

    async def revoke_credential(self, actor: Actor, credential: str) -> None:
        self.p.done.append(("revoke", credential))


class Webhooks(Part):
    def one(self) -> webhooks.Webhook:
        return webhooks.Webhook(
            id="whk_1", url="https://hooks.example/mail", events=["message.delivered"], description=self.p.text,
            enabled=True, created_at=T0, disabled_reason=self.p.text,
        )  # fmt: skip

    async def create(self, actor: Actor, request: webhooks.CreateWebhook) -> webhooks.NewWebhook:
        return await self.rotate_secret(actor, "whk_1")

    refusal = ""

    async def list(self, actor: Actor, query: Any) -> webhooks.WebhookPage:
        off = webhooks.Webhook(
            id="whk_2", url="https://gone.example/", events=[], description="", enabled=False, created_at=T0,
            disabled_reason=self.p.text, disabled_at=T0, owner_told="not mailed",
        )  # fmt: skip
        return webhooks.WebhookPage(data=[self.one(), off])

    async def get(self, actor: Actor, webhook: str) -> webhooks.Webhook:
        return self.one()

    async def change(self, actor: Actor, webhook: str, request: webhooks.ChangeWebhook) -> webhooks.Webhook:
        if self.refusal:
            raise Conflict("webhook_not_answering", self.refusal)
        self.p.done.append(("switch", request.enabled))
        return self.one()

    async def remove(self, actor: Actor, webhook: str) -> None:
        self.p.done.append(("remove webhook", webhook))

    async def test(self, actor: Actor, webhook: str) -> webhooks.TestQueued:
        self.p.done.append(("test", webhook))
        return webhooks.TestQueued(event="evt_1")

    async def attempts(self, actor: Actor, webhook: str, query: Any) -> webhooks.AttemptPage:
        tried = [
            webhooks.WebhookAttempt(
                id=f"att_{n}", event="evt_1", type="message.delivered", at=T0, number=n, outcome=outcome, status=status,
                elapsed_ms=12, response=self.p.text,
            )
            for n, outcome, status in ((2, "delivered", 200), (1, "retry", 500))
        ]  # fmt: skip
        return webhooks.AttemptPage(data=tried)

    async def events(self, actor: Actor, webhook: str, query: Any) -> webhooks.WebhookEventPage:
        told = webhooks.WebhookEvent(id="evt_1", type="message.delivered", at=T0, state="failed", attempts=10)
        return webhooks.WebhookEventPage(data=[told])

    async def event(self, actor: Actor, webhook: str, event: str) -> webhooks.WebhookEventDetail:
        return webhooks.WebhookEventDetail(
            id="evt_1", type="message.delivered", at=T0, state="failed", attempts=10, payload={"data": self.p.text}
        )

    def _replay(self) -> webhooks.Replay:
        return webhooks.Replay(
            id="rpl_1", webhook="whk_1", created_at=T0, since=T0, until=T0, only="failed", total=3, pending=1,
            delivered=2, failed=0, cancelled=0, finished=False, more=True,
        )  # fmt: skip

    async def replay(self, actor: Actor, webhook: str, request: webhooks.StartReplay) -> webhooks.Replay:
        self.p.done.append(("replay", webhook, request.event or (request.since, request.until, request.only)))
        return self._replay()

    async def replays(self, actor: Actor, webhook: str, query: Any) -> webhooks.ReplayPage:
        return webhooks.ReplayPage(data=[self._replay()])

    async def rotate_secret(self, actor: Actor, webhook: str) -> webhooks.NewWebhook:
        one = self.one()
        return webhooks.NewWebhook(
            id=one.id, url=one.url, events=one.events, description="", enabled=True, created_at=T0, secret="whsec_once"
        )


class Audit(Part):
    async def entries(self, actor: Actor, query: Any) -> audit.AuditPage:
        t = self.p.text
        entry = audit.AuditEntry(
            index=1,
            at=T0,
            actor_kind="session",
            actor="usr_1",
            act="domain.added",
            target=t,
            facts={t: t},
            leaf_hash="aa",
        )
        return audit.AuditPage(data=[entry])

    async def checkpoint(self, actor: Actor) -> audit.Checkpoint:
        return audit.Checkpoint(note="mailward/ws\n1\nabc=\n\n— mailward sig\n", size=1, root_hash="abc=")

    async def export(self, actor: Actor) -> bytes:
        return b"\x00export"


class Workspace(Part):
    async def get(self, actor: Actor) -> workspace.WorkspaceDetail:
        return workspace.WorkspaceDetail(id="ws_1", name="Acme", status="active", created_at=T0)

    async def retention(self, actor: Actor) -> workspace.Retention:
        return workspace.Retention(
            messages_days=30, content_days=7, own_messages_days=30, own_content_days=None,
            default_messages_days=60, default_content_days=7,
        )  # fmt: skip

    async def redaction(self, actor: Actor) -> redaction_types.Redaction:
        keep = redaction_types.FieldRule(mode="keep", after_hours=0)
        later = redaction_types.FieldRule(mode="redact", after_hours=24)
        never = redaction_types.FieldRule(mode="never", after_hours=0)
        return redaction_types.Redaction(subject=later, addresses=keep, ip=keep, body=never)

    async def change_redaction(
        self, actor: Actor, request: redaction_types.ChangeRedaction
    ) -> redaction_types.Redaction:
        self.p.done.append(("change_redaction", request))
        return await self.redaction(actor)

    async def revokes_leaked(self, actor: Actor) -> bool:
        return True

    async def change_leak_response(self, actor: Actor, revoke: bool) -> None:
        self.p.done.append(("leaks", revoke))

    async def change_retention(self, actor: Actor, request: workspace.ChangeRetention) -> workspace.Retention:
        if request.messages_days == 0:
            raise Invalid("bad_period", "A period is from 1 to 3650 days.", field="messages_days")
        self.p.done.append(("change_retention", request.messages_days, request.content_days))
        return await self.retention(actor)

    async def usage(self, actor: Actor, query: Any) -> workspace.Usage:
        counts = {"accepted": 1284, "delivered": 1201, "deferred": 61, "bounced": 9}
        return workspace.Usage(data=[workspace.UsageDay(date="2026-03-04", counts=counts)])


class Figures:
    """A day with a little of everything."""

    def __init__(self, platform: FakePlatform) -> None:
        self._p = platform

    async def spread(self, actor: Actor, span: Span) -> Spread:
        def bucket(n: int) -> Bucket:
            sent = (n * 37) % 90 + 20
            return Bucket(T0 + timedelta(hours=n), sent, sent - n % 4, n % 7, n % 4, int(n == 9), 3, 500, 2500)

        buckets = [bucket(n) for n in range(24)]
        return Spread(buckets, Bucket(T0, 1284, 1240, 61, 36, 1, 72, 500, 2500), hourly=span is Span.DAY)

    async def requests(self, actor: Actor, asked: RequestsAsked) -> RequestsPage:
        rows = [
            Requested(f"req_{n:020x}", T0 + timedelta(seconds=n), "POST", "sendMessage", s, 3.25, self._p.text)
            for n, s in enumerate((202, 422, 503))
        ]
        return RequestsPage(rows, None, 12)
