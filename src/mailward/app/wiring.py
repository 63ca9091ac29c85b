"""Putting a worker together: every part, its ports, and the order in which they start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from mailward.adapters.host.bell import Bell
from mailward.adapters.host.buckets import MachineBuckets
from mailward.adapters.host.in_hand import HANDING, SENDING, InHand
from mailward.adapters.host.seats import MachineSeats
from mailward.adapters.net.courier import PoolOptions, SmtpCourier
from mailward.adapters.net.egress import GuardedHttp
from mailward.adapters.net.resolver import Resolver, parse_server, system_servers
from mailward.adapters.net.sink import SmtpSink
from mailward.adapters.rendering.renderer import LimitedRenderer
from mailward.adapters.storage.records import BodyRef
from mailward.app.allowance import Allowance, per_minute
from mailward.app.arrivals import Arrivals, Seats
from mailward.app.bodies import Bodies
from mailward.app.budgets import Budgets
from mailward.app.carriage import Carriage
from mailward.app.ceilings import KnownCeilings
from mailward.app.certificates import Certificates, Files, Pair, as_files, ensure_self_signed
from mailward.app.concealing import reveal, reveal_received
from mailward.app.copies import Copies
from mailward.app.doors import Doors
from mailward.app.entitled import entitled
from mailward.app.gate import Gate
from mailward.app.guard.parts import GuardParts
from mailward.app.handing import Handing
from mailward.app.inbound.directory import MailDirectory
from mailward.app.inbound.reading import Reader
from mailward.app.inbound.reception import Reception
from mailward.app.inbound.scanning import examiner_of, scanners_of
from mailward.app.inspection import Inspection
from mailward.app.installation import Installation, bell_folder
from mailward.app.knowledge import Knowledge
from mailward.app.leasing import Believed, Leasing, Punctual
from mailward.app.lookout import Lookout
from mailward.app.metrics import Metrics
from mailward.app.nodes import Heart, identity
from mailward.app.objects import attachment_store
from mailward.app.plan import Plan
from mailward.app.platform.acceptance import Acceptance
from mailward.app.platform.messages import Messages
from mailward.app.platform.templates import Templates
from mailward.app.poison import bury
from mailward.app.quotas import Quotas
from mailward.app.renewal import Shared
from mailward.app.routing import Routes
from mailward.app.seats import SharedSeats
from mailward.app.settings import Settings
from mailward.app.signing import Signing, load_domains, signing_group
from mailward.app.standing import Standings
from mailward.app.store import EPOCHS, WORK
from mailward.app.tarpit import Tarpit
from mailward.app.tasks import upkeep_tasks
from mailward.app.tracking.forms import Forms
from mailward.app.web import Ready, web_application
from mailward.base import ids
from mailward.base.errors import NotFound, Unavailable
from mailward.base.outcome import Outcome
from mailward.core.delivery.attempt import Attempter, Verdict
from mailward.core.delivery.judge import judge
from mailward.core.delivery.model import Settled
from mailward.core.delivery.settle import Settling
from mailward.core.guard.model import Digests
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.inbound.model import SealedSecret
from mailward.core.inbound.model import Work as Handed
from mailward.core.messages.model import MessageFacts
from mailward.core.nodes.ports import Nodes
from mailward.core.webhooks.enqueue import tell
from mailward.edges.smtpd.config import Mode, submission
from mailward.edges.smtpd.floor import Floor
from mailward.edges.smtpd.listener import Listener, serve
from mailward.edges.smtpd.room import Room
from mailward.edges.web.plain import Plain
from mailward.edges.web.public.metrics import metrics_app
from mailward.edges.web.renewing import Renewing
from mailward.edges.web.request_log import RequestLog
from mailward.edges.web.server import Server
from mailward.edges.workers.inbound import InboundWorker
from mailward.edges.workers.sender import Sender
from mailward.edges.workers.upkeep import Upkeep
from mailward.edges.workers.webhooks import WebhookWorker
from mailward.policy.boundaries import known_commands, known_jobs
from mailward.policy.egress import networks
from mailward.policy.gcra import Rate
from mailward.policy.retry import Schedule
from mailward.protocol import verp
from mailward.protocol.dns import DnsQuery
from mailward.protocol.smtp.server import TRANSITIONS

log = structlog.get_logger()


def resolver(installation: Installation) -> Resolver:
    """DNS by the servers in the settings, else the system's."""
    texts = installation.settings.delivery.resolvers
    servers = tuple(parse_server(t) for t in texts) or system_servers()
    return Resolver(servers, clock=installation.clock, entropy=installation.entropy)


def certificate(settings: Settings, now: datetime) -> tuple[Path, Path]:
    """Files of certificate and key: the operator's, or the self-signed pair, used until an authority's is there."""
    if settings.tls.certificate:
        return Path(settings.tls.certificate), Path(settings.tls.key)
    return ensure_self_signed(settings.data / "tls", settings.hostname, now)


def reading_messages(installation: Installation) -> Messages:
    """The messages area for the command line: it reads and changes, it does not accept."""
    return Messages(
        installation.store,
        None,
        Bodies(installation.store, installation.data_keys),
        now_us=installation.now_us,
        search_key=installation.search_key,
        wake=lambda: None,
        letters_open=installation.settings.capture,
    )


class Worker:
    """One worker process: `start`, then `drain`."""

    def __init__(self, plan: Plan, end: Callable[[], None] = lambda: None) -> None:
        """`end` is called when the worker has to end by itself: drain it then."""
        self.plan = plan
        self._end = end
        self.slot = plan.slot
        self.first = plan.first
        self.settings = plan.settings
        self.roles = frozenset(plan.settings.server.roles)
        self.installation = Installation(plan.settings, worker=plan.slot)
        self.metrics = Metrics()
        self.requests = RequestLog()
        self.generation = 0
        self.draining = False
        self._stop = asyncio.Event()
        self._listeners: list[Listener[Any]] = []
        self._servers: list[Server] = []
        self._secure: list[Renewing] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self.lookout = Lookout(self._know, self._direct)
        self.sender: Sender | None = None
        self.floor = Floor()
        refused = self.metrics.refused.labels("too_much_content")
        self.room = Room(plan.settings.smtp_content_bytes, refused.inc)
        self.reception: Reception | None = None

    async def start(self) -> None:
        """Everything, in the order in which parts need each other; the doors open last."""
        i, settings = self.installation, self.settings
        await i.open()
        now = i.now_us()
        self.settling = Settling(i.token_key, i.entropy)
        await i.join_committer(self.settling, lambda: self.floor.busy)
        if (nodes := i.store.nodes()) is not None:
            await nodes.claim(identity(settings, i.entropy))
        self.hand = InHand(settings.data / "in-hand" / str(self.plan.slot))
        await bury(i.store, self.hand, Digests(i.vault.derive("guard")), now=i.clock.now(), entropy=i.entropy)
        self.generation, returned = await i.store.system_write(lambda tx: tx.deliveries.take_slot(self.plan.slot, now))
        if returned:
            log.info("leases_returned", copies=returned)
        self.hand.begin(self.generation)
        self.heart = Heart(
            nodes,
            slot=self.plan.slot,
            generation=self.generation,
            roles=",".join(sorted(self.roles)),
            first=self.first,
            clock=i.clock,
            lost=self._end,
        )
        await self.heart.start()
        self.leasing = Leasing(i.store, i.clock, self.generation, self.heart.pulse)
        self.bell = Bell(bell_folder(settings))
        self.resolver = resolver(i)
        self.keeper = Doorkeeper(i.store)
        self._verp_key = i.vault.derive("verp")
        self.guarding = GuardParts.of(i, GuardedHttp(self.addresses) if settings.challenge.secret else None)
        self.doors = Doors(
            i.store, self.keeper, i.clock, lambda d, r: self.metrics.logins.labels(d, r).inc(), self.guarding
        )
        self.standings = Standings(i.store, i.clock.now)
        self._make_counts(nodes)
        self.ceilings = KnownCeilings(i.store)
        self.allowance = Allowance(settings.limits, self.budgets, self.ceilings.messages)
        self.knowledge = Knowledge(i.store, lambda: load_domains(i), self._credentials_changed, i.data_keys.forget)
        self.bodies = Bodies(i.store, i.data_keys)
        self.shared = Shared(i)
        files = Files(*certificate(settings, i.clock.now()))
        self.certificates = await Certificates.open(files, self.shared.look if settings.tls.acme.directory else None)
        self.certificates.tell(self._certificate_changed)
        self.examiner = examiner_of(settings.scanning)
        self.sink = SmtpSink() if settings.capture else None
        self.sink_port = await self.sink.listen() if self.sink is not None else 0
        self.directory = MailDirectory(i.store, settings.hostname)
        self.floor.on_quiet(self._hushed)
        if "sender" in self.roles:
            self.sender = self._make_sender()
        self.acceptance = self._make_acceptance()
        self.renderer = LimitedRenderer(i.clock.monotonic)
        self.templates = Templates(entitled(i.store), i.clock, i.entropy, self.renderer, changed=self.revoked)
        self.tarpit = Tarpit(settings.limits.refusals_held_ms / 1000, i.clock.monotonic, i.entropy)
        self.gate = self._make_gate()
        await self.knowledge.refresh()
        await self._direct()
        await self.doors.load_networks()
        i.store.watch(self._told)
        self._make_webhooks()
        self._make_inbound()
        self.bell.listen(self.slot, self._rung)
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self.lookout.run()))
        if self.sender is not None:
            self._tasks.append(loop.create_task(self.webhooks.run(self._stop)))
            self._tasks.append(loop.create_task(self.inbound.run(self._stop)))
            if not settings.delivery.paused:
                self.sender.start()
        chores = upkeep_tasks(self)
        known_jobs(chore.name for chore in chores)
        self.upkeep = Upkeep(chores, failed=self._upkeep_failed)
        self.upkeep.start()
        self._gauges()
        await self._open_doors()

    # -- parts -----------------------------------------------------------------------------------

    def _make_counts(self, nodes: Nodes | None) -> None:
        """Rates and open connections: counted on this machine, and with the other nodes where there are some."""
        i, data = self.installation, self.settings.data
        self.machine = MachineBuckets(data / "rates", i.clock.monotonic)
        self.seats: Seats = MachineSeats(data / "connections")
        self.budgets: Budgets = self.machine
        if nodes is not None:
            self.budgets = Quotas(nodes.draw, i.clock.monotonic, self.machine, i.vault.derive("rates"))
            self.seats = SharedSeats(
                partial(nodes.seat, self.generation),
                self.seats,
                lambda: self.heart.pulse.nodes,
                i.clock.monotonic,
                i.vault.derive("seats"),
            )

    def _make_webhooks(self) -> None:
        i = self.installation
        self.webhooks = WebhookWorker(
            i.store,
            GuardedHttp(self.addresses, allow_networks=networks(self.settings.endpoint_networks)),
            unseal=i.unseal_webhook,
            clock=i.clock,
            entropy=i.entropy,
            log=log,
            lessee=self.generation,
        )

    def _hushed(self) -> None:
        self.installation.store.hushed()
        if self.sender is not None:
            self.sender.hushed()

    def _make_sender(self) -> Sender:
        i, settings, d = self.installation, self.settings, self.settings.delivery
        schedule = Schedule(max_age=d.max_age_hours * 3600)
        # Timers of RFC 5321 suit a slow world; what takes longer than a lease all the same keeps it (`Leasing.keep`).
        options = PoolOptions(timeout_scale=0.5, max_connections=float(d.per_destination))
        self.courier = SmtpCourier(options, failed=self._sender_failed)
        routes = Routes(
            d,
            self.resolver,
            hostname=settings.hostname,
            sink_port=self.sink_port,
            clock=i.clock,
            entropy=i.entropy,
            receives=self._receives,
            mx=settings.mx.listen if "mx" in self.roles else (),
            proxies=settings.mx.proxies,
        )
        copies = Copies(i.store, self.bodies, i.token_key)
        attempter = Attempter(
            router=routes,
            courier=Carriage(self.courier, helo=settings.hostname, sources=tuple(d.sources)),
            signing=Signing(self.knowledge, on=d.sign, group=signing_group(settings, self.metrics)),
            return_path=self._return_path,
            judge=lambda o, r, n, created, now: _judge(o, n, created, now, schedule),
            load=copies.load,
            listed=copies.listed,
            lessee=self.generation,
            now_us=i.now_us,
            hold=partial(self.hand.holding, SENDING),
            reveal=partial(reveal, self.bodies),
            forms=Forms(copies.opted_out, i.tracking_keys, self._sender_failed),
            failed=self._sender_failed,
            aside=asyncio.to_thread,
        )

        def settle(workspace: bytes, settled: list[Settled]) -> asyncio.Future[Any]:
            return i.store.write_item(self.settling.settle, workspace, settled)

        return Sender(
            attempts=Punctual(attempter, self.leasing),
            lease=self.leasing.lease,
            hand_back=self.leasing.hand_back,
            monotonic=i.clock.monotonic,
            settle=settle,
            concurrency=d.concurrency,
            memory_messages=d.memory_messages,
            memory_bytes=d.memory_bytes,
            poll_seconds=1.0,
            failed=self._sender_failed,
            finished=self._finished,
            talking=lambda: self.floor.busy,
        )

    def _make_inbound(self) -> None:
        """What hands received mail over: a way to endpoints of its own, so that events never wait for messages."""
        i, settings = self.installation, self.settings
        self.files = attachment_store(settings.attachments)

        async def secrets(workspace: bytes, route: bytes) -> Sequence[SealedSecret]:
            now = i.now_us()
            found = await i.store.read(ids.encode("ws", workspace), lambda tx: tx.inbound.secrets(route))
            return [s for s in found if s.expires is None or s.expires > now]

        self.handing = Handing(
            GuardedHttp(self.addresses, allow_networks=networks(settings.endpoint_networks), per_host=64),
            secrets=secrets,
            unseal=i.unseal_webhook,
            files=self.files,
            clock=i.clock,
            entropy=i.entropy,
            hold=partial(self.hand.holding, HANDING),
        )
        self.inbound = InboundWorker(
            i.store,
            self.handing,
            self._load_received,
            tell=tell,
            clock=i.clock,
            entropy=i.entropy,
            log=log,
            lessee=self.generation,
            reveal=partial(reveal_received, self.bodies),
        )

    def _make_acceptance(self) -> Acceptance:
        i, settings = self.installation, self.settings
        return Acceptance(
            i.store,
            i.data_keys,
            self.knowledge,
            outbox=None if settings.delivery.paused else self._outbox(),
            lessee=self.generation,
            entropy=i.entropy,
            now_us=i.now_us,
            token_key=i.token_key,
            metrics=self.metrics,
            max_bytes=settings.submission.max_message_bytes,
            max_recipients=settings.submission.max_recipients,
            refused_files=frozenset(e.lower().lstrip(".") for e in settings.submission.refused_attachments),
            capture=settings.capture,
            allowance=self.allowance,
            standings=self.standings,
            revalidate=self.doors.revalidate,
            ring=self.wake_senders,
            inspection=self._make_inspection(),
        )

    def _outbox(self) -> Believed | Sender | None:
        if self.sender is None or self.installation.store.nodes() is None:
            return self.sender
        return Believed(self.sender, self.leasing)

    def _make_inspection(self) -> Inspection | None:
        scanning = self.settings.scanning
        if not scanning.outbound:
            return None
        return Inspection(Reader(self.examiner, scanners_of(scanning)), self.settings.hostname)

    def _make_gate(self) -> Gate:
        i, settings = self.installation, self.settings
        limits = settings.limits
        known_commands(verb.decode() for row in TRANSITIONS.values() for verb in row)
        return Gate(
            self.acceptance,
            self.doors,
            hostname=settings.hostname,
            clock=i.clock,
            entropy=i.entropy,
            arrivals=Arrivals(
                self.budgets,
                at_once=sys.maxsize,
                at_once_ip=settings.submission.max_connections_per_ip,
                rate=per_minute("smtp-connections", limits.smtp_connections_per_minute_ip),
                seats=self.seats,
                door="submission",
            ),
            budgets=self.budgets,
            auth_failures=Rate("smtp-auth", limits.auth_failures_per_minute_ip, 60),
            standings=self.standings,
            counted=lambda door, result: self.metrics.logins.labels(door, result).inc(),
            refused=lambda code: self.metrics.refused.labels(code).inc(),
            fill=self.templates.fill,
            hold=self.tarpit.hold,
        )

    async def _open_doors(self) -> None:
        s, plan = self.settings.submission, self.plan
        for name, mode, fds in (
            ("submission", Mode.STARTTLS, plan.starttls),
            ("submissions", Mode.IMPLICIT, plan.implicit),
            ("private", Mode.PRIVATE, plan.private),
        ):
            if not fds:
                continue
            config = submission(
                name,
                self.settings.hostname,
                mode,
                max_size=s.max_message_bytes,
                max_recipients=s.max_recipients,
                idle=s.idle_seconds,
                session=s.session_seconds,
            )
            tls = None if mode is Mode.PRIVATE else self.certificates.context
            self._listeners.append(
                await serve([os.dup(fd) for fd in fds], self.gate, config, tls, self.floor, self.room)
            )
        if plan.mx:
            self.reception = Reception.of(self, self.directory)
            self._listeners.append(await self.reception.open(plan.mx))
        if plan.http:
            application = web_application(self)
            for listener, fd in zip(self.settings.http.listen, plan.http, strict=True):
                await self._serve_http(application, fd, clear=not self.settings.http.speaks_tls(listener))
        for fd in plan.plain:
            await self._serve_http(Plain(self.settings.http.public_url, self.shared.answer), fd, clear=True)
        if plan.metrics >= 0:
            shown = metrics_app(self.metrics.text, Ready(self))
            await self._serve_http(shown, plan.metrics, clear=True)

    async def _serve_http(self, application: Any, fd: int, *, clear: bool) -> None:
        if not clear:
            secure = Renewing(application, fd)
            await secure.serve(partial(as_files, self.certificates.pair))
            self._secure.append(secure)
            return
        sock = socket.socket(fileno=os.dup(fd))
        sock.setblocking(False)
        server = Server(application, sock)
        await server.start()
        self._servers.append(server)

    async def _certificate_changed(self, pair: Pair) -> None:
        for secure in self._secure:
            await secure.serve(partial(as_files, pair))

    def _gauges(self) -> None:
        gauge = self.metrics.gauge
        if (sender := self.sender) is not None:
            gauge("sender_under_way", "Messages being sent now.", lambda: float(sender.under_way))
            gauge("sender_in_memory", "Messages kept in memory until they are sent.", lambda: float(sender.in_memory))
        gauge("smtp_sessions", "Open SMTP sessions.", lambda: float(sum(x.sessions for x in self._listeners)))
        gauge("smtp_content_bytes", "Message content that SMTP sessions hold.", lambda: float(self.room.held))

    # -- small ports -----------------------------------------------------------------------------

    def _return_path(self, workspace: bytes, facts: MessageFacts, message: bytes, n: int, shared: bool) -> str:
        known = self.knowledge.domain(workspace, facts.domain)
        host = known.return_path if known is not None else f"bounce.{self.settings.hostname}"
        if not facts.mail_from:
            return ""
        return f"{verp.encode(message, n, self._verp_key, shared=shared)}@{host}"

    async def addresses(self, host: str) -> list[str]:
        """Every address of a name; empty when there is none."""
        found = await asyncio.gather(*(self.resolver.resolve(DnsQuery(host, kind)) for kind in ("A", "AAAA")))
        return [str(address) for answer in found if answer.status == "ok" for address in answer.records]

    async def _load_received(self, work: Handed) -> bytes:
        if work.message.body is None:
            raise NotFound("content_gone", "The content of this message is no longer kept.")
        return await self.bodies.read(work.workspace, work.message.id, BodyRef(*work.message.body), reader=None)

    def _finished(self, settled: list[Settled]) -> None:
        for s in settled:
            self.metrics.attempts.labels(s.facts.outcome).inc()
            self.metrics.attempt_seconds.observe(s.facts.elapsed_ms / 1000)

    def wake_senders(self) -> None:
        """Something became due in the store: whoever sends, look now."""
        if self.sender is not None:
            self.sender.nudge()
        else:
            self.bell.ring(b"mail")

    def wake_webhooks(self) -> None:
        """An event was queued for a webhook, or a message was received: whoever posts, look now."""
        if self.sender is not None:
            self.webhooks.wake()
            self.inbound.wake()
        else:
            self.bell.ring(b"webhooks")

    def _rung(self, word: bytes) -> None:
        if word == EPOCHS.encode():
            self.revoked()
        elif self.sender is None:
            return
        elif word == b"webhooks":
            self.webhooks.wake()
            self.inbound.wake()
        else:
            self.sender.nudge()

    def _told(self, topic: str) -> None:
        """The store said so, of this process or another, perhaps on another node: look now. A notice lost costs a poll
        interval."""
        if topic == EPOCHS:
            self.revoked()
        elif topic == WORK and self.sender is not None:
            self.sender.nudge()

    def _sender_failed(self, error: BaseException) -> None:
        self.metrics.errors.labels("sender").inc()
        log.error("sender_failed", error=type(error).__name__, code=getattr(error, "code", ""))

    def _upkeep_failed(self, name: str, error: BaseException) -> None:
        self.metrics.errors.labels("upkeep").inc()
        log.error("upkeep_failed", task=name, error=type(error).__name__, code=getattr(error, "code", ""))

    async def _credentials_changed(self) -> None:
        """All that hangs on credentials, before the epoch counts as known: what fails here is done again at once."""
        await self.standings.load()
        await self.ceilings.load()
        await self.keeper.refresh()
        self.installation.data_keys.forget()
        self.templates.forget()
        await self.doors.load_networks()

    def revoked(self) -> None:
        """A credential was revoked or a domain or route changed: look at once instead of at the next tick."""
        self.lookout.soon()

    async def _know(self) -> None:
        await self.knowledge.refresh()

    async def _direct(self) -> None:
        """Who receives is asked by the MX, and by senders, whose mail for those stays here."""
        if self.roles & {"mx", "sender"}:
            await self.directory.refresh()

    def _receives(self, domain: str) -> bool:
        """Whether our MX takes mail for a domain: customers', our own, and those of return-paths."""
        bounces = f"bounce.{self.settings.hostname}"
        return self.directory.receives(domain) or domain == bounces or self.knowledge.is_return_path(domain)

    # -- the end ---------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Take nothing new, finish what is under way, give back what is not, and stop."""
        self.draining = True
        await asyncio.gather(*(x.drain(10.0) for x in self._listeners))
        if self.sender is not None:
            await self.sender.drain(15.0)
        self._stop.set()
        await self.upkeep.stop()
        for task in self._tasks[:1]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(s.stop(5.0) for s in self._servers), *(s.stop(5.0) for s in self._secure))
        if self.sender is not None:
            await self.courier.close()
        if self.sink is not None:
            await self.sink.close()
        await self.examiner.close()
        await self.renderer.close()
        await self.resolver.close()
        self.bell.close()
        await self.heart.stop()
        now = self.installation.now_us()
        with contextlib.suppress(Unavailable):
            await self.installation.store.system_write(lambda tx: tx.deliveries.take_slot(self.plan.slot, now))
            if self.first and not self.heart.pulse.lost and (nodes := self.installation.store.nodes()) is not None:
                await nodes.stopped()
        await self.installation.close()


def _judge(outcome: Outcome, attempt: int, created: int, now: int, schedule: Schedule) -> Verdict:
    jitter = int.from_bytes(os.urandom(4), "big") / 2**32
    return judge(outcome, attempt, created=created, now=now, schedule=schedule, jitter=lambda: jitter)
