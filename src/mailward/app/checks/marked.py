"""A marked message through the platform's own code, from acceptance to its last outcome, and a search for the mark.

The store and the workspace are made for it; acceptance, delivery, settling, the search index and redaction are the
platform's own. Only the other side is not: a courier that says what it was given back, and refuses one recipient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from mailward.adapters.storage.records import BodyRef
from mailward.app.bodies import Bodies
from mailward.app.candidate import Candidate
from mailward.app.checks.storage import spellings
from mailward.app.concealing import reveal, reveal_received
from mailward.app.context import cli_actor
from mailward.app.inbound.desk import MailDesk
from mailward.app.inbound.ports import Arrived
from mailward.app.knowledge import Knowledge, KnownDomain
from mailward.app.metrics import Metrics
from mailward.app.platform.acceptance import Acceptance
from mailward.app.redacting import Redacting
from mailward.app.retention import Retention
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.base.outcome import Done, Outcome, PermFail
from mailward.base.sources import Clock, Entropy
from mailward.core.delivery.attempt import Attempter, Delivered, Host, Route, Shipment, Verdict
from mailward.core.delivery.lease import lease
from mailward.core.delivery.model import Work
from mailward.core.delivery.settle import Settling
from mailward.core.inbound.lease import lease as inbound_lease
from mailward.core.inbound.model import (
    Attachments,
    InboundRoute,
    MatchKind,
    OnScannerDown,
    Result,
    RouteFormat,
    SealedSecret,
    Signature,
)
from mailward.core.inbound.model import Mode as RouteMode
from mailward.core.inbound.settle import settle as settle_received
from mailward.core.messages.find import index
from mailward.core.messages.model import DeliveryState
from mailward.core.messages.words import tokens_for
from mailward.core.redaction.change import change as change_rules
from mailward.core.suppression.model import token
from mailward.core.webhooks import endpoints
from mailward.core.webhooks.enqueue import tell
from mailward.core.workspaces import change
from mailward.core.workspaces.data_keys import DataKeys
from mailward.core.workspaces.retention import Terms
from mailward.policy.access import Actor
from mailward.policy.redaction import FIELDS, Mode, Redaction, Rule
from mailward.protocol.inbound.facts import ArcFacts, DkimFacts, DmarcFacts, ReceivedFacts, ScanFacts, SpfFacts

_DOMAIN = "rehearsal.invalid"
_KEY = b"rehearsal of redaction".ljust(32, b"\0")
_FAR = 1 << 57


class Rehearsal:
    """One store, one workspace, and marked messages through it. `clock` is moved by whoever calls."""

    def __init__(self, store: Store, keys: DataKeys, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._entropy = entropy
        self.raw = entropy.bytes(16)
        self.workspace = WorkspaceId(ids.encode("ws", self.raw))
        self.actor: Actor = replace(cli_actor(self.workspace), kind="system", id="rehearsal")
        self.bodies = Bodies(store, keys)
        self.key = _KEY
        self.works: list[Work] = []
        self.said: list[str] = []
        self._knowledge = Knowledge(store, self._domains, _nothing)
        self._settling = Settling(lambda _: _KEY, entropy)

    async def make(self, mode: Mode) -> None:
        """The workspace, with an endpoint that wants to hear everything, and every field under this rule."""
        now = self._clock.now()
        create = partial(
            change.create, actor=self.actor, name="Rehearsal", now=now, entropy=self._entropy, id=self.workspace
        )
        await self._store.system_write(create)
        hear = partial(
            endpoints.create, actor=self.actor, url="https://rehearsal.invalid/", seal=lambda secret: secret,
            now=now, entropy=self._entropy,
        )  # fmt: skip
        await self._store.write(self.workspace, hear)
        await self.rules(Redaction(**dict.fromkeys(FIELDS, Rule(mode))))

    async def rules(self, rules: Redaction) -> None:
        """Other rules, as somebody would set them."""
        now = self._clock.now()
        await self._store.write(self.workspace, lambda tx: change_rules(tx, self.actor, lambda _: rules, now=now))
        await self._knowledge.refresh()

    async def accept(self, mark: str, *, kept: bool = True) -> bytes:
        """Accept a message that holds the mark wherever one can be; `kept` by this worker, else left in the queue."""
        recipients: list[tuple[str, str | None]] = [
            (f"{mark}@{mark}.invalid", f"orcpt=rfc822;{mark}@{mark}.invalid"),
            (f"gone-{mark}@{mark}.invalid", None),
        ]
        head = f"From: <{mark}@{_DOMAIN}>\r\nTo: {recipients[0][0]}\r\nSubject: {mark}\r\n\r\n"
        candidate = Candidate(
            content=f"{head}{mark}\r\n".encode(),
            mail_from=f"{mark}@{_DOMAIN}",
            recipients=recipients,
            header_from=f"<{mark}@{_DOMAIN}>",
            from_domain=_DOMAIN,
            domains=(_DOMAIN,),
            to=recipients[0][0],
            subject=f"hello {mark}",
            message_id=f"<1@{_DOMAIN}>",
            source="api",
            envid=mark,
        )
        receipt = await self._acceptance(kept).accept(self.actor, candidate)
        return receipt.id

    def _acceptance(self, kept: bool) -> Acceptance:
        stub: Any = _Agrees(self.works, kept)
        return Acceptance(
            self._store, self._keys, self._knowledge, outbox=stub, lessee=1, entropy=self._entropy,
            now_us=self.now_us, token_key=lambda _: _KEY, metrics=Metrics(), max_bytes=1 << 20, max_recipients=10,
            refused_files=frozenset(), capture=True, allowance=stub, standings=stub, revalidate=stub.fine,
            ring=lambda: None,
        )  # fmt: skip

    def now_us(self) -> int:
        """Microseconds UTC."""
        return int(self._clock.now().timestamp() * 1_000_000)

    async def leased(self) -> list[Work]:
        """What waits in the queue, as another worker would take it."""
        now = self.now_us()
        return await self._store.system_write(lambda tx: lease(tx, 1, now=now, until=_FAR, limit=10, turn=0))

    async def deliver(self, work: Work) -> None:
        """One attempt, settled."""
        route: Any = _Everywhere()
        attempter = Attempter(
            router=route, courier=_Repeats(self.said), signing=route,
            return_path=lambda workspace, facts, message, n, shared: f"return@{_DOMAIN}" if facts.mail_from else "",
            judge=_judge, load=self._load, listed=self._listed, lessee=1, now_us=self.now_us,
            reveal=partial(reveal, self.bodies),
        )  # fmt: skip
        settled = await attempter.attempt(work)
        await self._store.write_item(self._settling.settle, self.raw, settled)

    async def receive(self, mark: str) -> bytes:
        """Take a message from the world that holds the mark wherever one can be; a route is to get it."""
        now = self.now_us()
        id = ids.new_raw(now // 1000, self._entropy)
        route = _route(self.raw, self._entropy.bytes(16))
        await self._store.write(self.workspace, lambda tx: tx.inbound.insert_route(route))
        sealed = SealedSecret(now, self._entropy.bytes(24))
        await self._store.write(self.workspace, lambda tx: tx.inbound.put_secret(route.id, sealed))
        host: Any = None
        desk = MailDesk(
            self._store, self._keys, host, now_us=self.now_us, received=lambda _: None, wake=lambda: None,
            entropy=self._entropy, rules=self._knowledge.redaction,
        )  # fmt: skip
        await desk.receive(
            Arrived(id, self.raw, f"Subject: {mark}\r\n\r\n{mark}\r\n".encode(), heard(mark), (route,), "")
        )
        return id

    async def hand_over(self, mark: str) -> bool:
        """Hand what was received to its endpoint, which repeats it; was it told everything?"""
        now = self.now_us()
        told = True
        works = await self._store.system_write(lambda tx: inbound_lease(tx, now=now, turn=0))
        results = []
        for work in works:
            shown = (await reveal_received(self.bodies, work)).message
            assert shown.body is not None
            content = await self.bodies.read(self.raw, shown.id, BodyRef(*shown.body), reader=None)
            told = told and mark.encode() in content and replace_redacted(shown.facts) == heard(mark)
            results.append(Result(work, 200, mark.encode(), 3))
        at = self._clock.now()
        await self._store.write(
            self.workspace, lambda tx: settle_received(tx, results, now=at, entropy=self._entropy, tell=tell)
        )
        return told and bool(works)

    async def upkeep(self) -> None:
        """The endpoint is told, the index written, redaction run, and what is owed to the disk paid."""
        await self._store.write(self.workspace, told_all)
        await self.index()
        redacting = Redacting(self._store, search_key=lambda _: _KEY, token_key=lambda _: _KEY, now=self._clock.now)
        await redacting.run()
        retention = Retention(self._store, default=Terms(60, 60), search_key=lambda _: _KEY, now=self._clock.now)
        await retention.overwrite()
        await self.index()

    async def index(self) -> None:
        """Write the search tokens of everything there is."""
        await self._store.write(self.workspace, partial(index, key=_KEY, below=b"\xff" * 16, limit=100))

    async def found(self, mark: str) -> list[str]:
        """Where the mark, a token of it, or a body that opens is still to be had through the store's own doors."""
        needles = [mark.encode(), *spellings(mark)]
        told = await self._store.read(self.workspace, _everything)
        out = [place for place, value in told if any(n in value for n in needles)]
        for asked in ({"subject": mark}, {"to": f"{mark}@{mark}.invalid"}, {"sender": f"{mark}@{_DOMAIN}"}):
            tokens = tokens_for(_KEY, **asked)
            if await self._store.read(self.workspace, partial(_indexed, tokens)):
                out.append(f"the search index, by {next(iter(asked))}")
        return out

    async def suppressed(self, mark: str) -> bool:
        """Is the address that was refused still known not to be written to?"""
        mine = token(_KEY, f"gone-{mark}@{mark}.invalid")
        return bool(await self._store.read(self.workspace, lambda tx: tx.suppressions.among([mine])))

    async def opens(self, message: bytes, ref: BodyRef) -> bytes:
        """What a body that was once at this place gives, with every key there is."""
        self._keys.forget()
        return await self.bodies.read(self.raw, message, ref, reader=None)

    async def _load(self, work: Work) -> bytes:
        if work.body is None:
            raise AssertionError("a message under way without a body")
        return await self.bodies.read(work.workspace, work.id, BodyRef(*work.body), reader=None)

    async def _listed(self, work: Work) -> dict[int, str]:
        tokens = {c.n: token(_KEY, c.recipient) for c in work.copies}
        found = await self._store.read(self.workspace, lambda tx: tx.suppressions.among(list(tokens.values())))
        return {n: "hard_bounce" for n, t in tokens.items() if t in found}

    async def _domains(self) -> dict[bytes, dict[str, KnownDomain]]:
        return {self.raw: {_DOMAIN: KnownDomain(bytes(16), _DOMAIN, False, False, f"bounce.{_DOMAIN}")}}


def heard(mark: str) -> ReceivedFacts:
    """What the MX knows of a message that holds the mark."""
    return ReceivedFacts(
        helo=f"{mark}.invalid", ip=f"192.0.2.1-{mark}", tls_version="", tls_cipher="",
        mail_from=f"{mark}@{mark}.invalid", recipients=(f"{mark}@{_DOMAIN}",), header_from=f"<{mark}@{mark}.invalid>",
        to=f"{mark}@{_DOMAIN}", subject=mark, message_id=f"<{mark}@{mark}.invalid>", size=1, sha256="0" * 64,
        spf=SpfFacts("pass", f"{mark}.invalid", f"{mark} is listed"),
        dkim=(DkimFacts("pass", f"{mark}.invalid", mark, mark),), dmarc=DmarcFacts("pass", f"{mark}.invalid"),
        arc=ArcFacts("pass", mark, (f"{mark}.invalid",)), trace=f"Received: from {mark}\r\n", rdns=f"{mark}.invalid",
        defects=(mark,), scan=ScanFacts("clean", mark, (), (mark,)),
    )  # fmt: skip


def replace_redacted(facts: ReceivedFacts) -> ReceivedFacts:
    """The facts, whatever they say of having lost something."""
    return msgspec.structs.replace(facts, redacted=())


def _route(workspace: bytes, id: bytes) -> InboundRoute:
    return InboundRoute(
        id=id, workspace=workspace, domain=_DOMAIN, kind=MatchKind.CATCH_ALL, pattern="",
        url="https://rehearsal.invalid/", credentials=b"", format=RouteFormat.MAILWARD, mode=RouteMode.STORE,
        authorize_url="", authorize_credentials=b"", require_tls=False, on_scanner_down=OnScannerDown.DEFER,
        attachments=Attachments.INLINE, signature=Signature.HMAC, enabled=True, created=0,
    )  # fmt: skip


class _Agrees:
    """Room, allowance and standing without limit; takes what it is handed."""

    def __init__(self, works: list[Work], kept: bool) -> None:
        self._works = works
        self._kept = kept

    def reserve(self, workspace: bytes, size: int) -> bool:
        return self._kept

    def release(self, workspace: bytes, size: int) -> None:
        return None

    def take(self, work: Work) -> None:
        self._works.append(work)

    def doubtful(self) -> None:
        return None

    def __call__(self, *_: Any) -> bool:
        return True

    def plain(self, id: str) -> bool:
        return True

    async def fine(self, actor: Actor) -> None:
        return None


class _Everywhere:
    """One route for every domain, and no signature."""

    def cached(self, domain: str) -> Route:
        return Route("r", (Host(f"mx.{domain}", "192.0.2.1", 25),), f"MX of {domain}", "none")

    def sign(self, workspace: bytes, domain: str, content: bytes, now: datetime) -> tuple[bytes, tuple[str, ...]]:
        return b"", ()

    sign_now = sign


class _Repeats:
    """A server that says back whatever it heard, and has no mailbox whose name begins with "gone"."""

    def __init__(self, said: list[str]) -> None:
        self._said = said

    async def deliver(self, shipment: Shipment) -> Delivered:
        outcomes: list[Outcome] = []
        dialogue = [(0, "C", f"MAIL FROM:<{shipment.mail_from}>")]
        for n, recipient in enumerate(shipment.recipients):
            heard = f"{recipient} {b''.join(shipment.content).decode()} {shipment.dsn[n]} {shipment.facts.envid}"
            self._said.append(heard)
            dialogue += [(1, "C", f"RCPT TO:<{recipient}>"), (2, "S", f"250 2.1.5 {recipient} ok")]
            outcomes.append(
                PermFail("bad_mailbox", f"no mailbox {recipient}", 550, "5.1.1")
                if recipient.startswith("gone")
                else Done(heard, 250, "2.0.0")
            )
        host = shipment.route.hosts[0]
        return Delivered(outcomes, host.name, host.ip, shipment.route.why, {"version": "TLSv1.3"}, dialogue, 3)


def _judge(outcome: Outcome, recipient: str, attempt: int, created: int, now: int) -> Verdict:
    if isinstance(outcome, Done):
        return Verdict(DeliveryState.DELIVERED, 0, "", False)
    return Verdict(DeliveryState.BOUNCED, 0, "bad_mailbox", True)


async def _nothing() -> None:
    return None


async def told_all(tx: Tx) -> None:
    """The endpoint took every event it was to be told."""
    for endpoint in await tx.webhooks.page(before=None, limit=10):
        await tx.webhooks.cancel_jobs(endpoint.id)


async def _indexed(tokens: Sequence[bytes], tx: Tx) -> list[bytes]:
    return await tx.messages.found(tokens, before=None, limit=1)


async def _everything(tx: Tx) -> list[tuple[str, bytes]]:
    """Every value that is kept of messages, by where it lies, as whoever holds the store's keys reads it."""
    out: list[tuple[str, bytes]] = []

    def add(place: str, values: Iterable[object]) -> None:
        out.extend((place, msgspec.msgpack.encode(v) if not isinstance(v, bytes) else v) for v in values)

    messages = await tx.messages.page(before=None, limit=100)
    mine = [m.id for m in messages]
    add("messages", messages)
    add("deliveries", [c for copies in (await tx.deliveries.of(mine)).values() for c in copies])
    for id in mine:
        add("attempts", await tx.deliveries.attempts(id))
        add("timeline", await tx.messages.timeline(id))
        add("private parts", [await tx.redaction.private(id) or b""])
    add("suppressions", await tx.suppressions.page(before=None, limit=100, search="", reason=None, stream=None))
    events = await tx.retention.events_before(_FAR, 1000)
    add("events", [await tx.webhooks.event(e) for e in events])
    for received in await tx.inbound.page(before=None, limit=100):
        add("received", [received.facts, received.reason, await tx.redaction.private(received.id) or b""])
        add("hand-overs", await tx.inbound.attempts(received.id, before=None, limit=100))
    return out
