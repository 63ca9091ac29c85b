"""Connections to the servers we send to: opened, kept for a while, shared between messages.

A `Destination` is everything that goes to one route from one source address. A message takes
an idle connection, or opens one while the destination's limit allows, or waits; a connection
that becomes free takes the next waiting message in the same callback, without a task.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, cast

from cryptography.x509.verification import Store

from mailward.adapters.net import peer_tls
from mailward.adapters.net.courier_job import CourierJob, CourierResult
from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.policy import bounces
from mailward.policy.retry import DeadHosts, DestinationState
from mailward.policy.tls import AfterFailure, TlsFacts, TlsPolicy, after_failed_handshake
from mailward.protocol.smtp.client import Exchange, SmtpClient, State, Step, TlsWish
from mailward.protocol.smtp.client_mail import Mail

Host = tuple[str, str, int]

_WISHES: dict[TlsPolicy, TlsWish] = {
    TlsPolicy.NONE: "never",
    TlsPolicy.OPPORTUNISTIC: "offered",
    TlsPolicy.ENCRYPT: "required",
    TlsPolicy.VERIFY: "required",
}
# Failures of a session, not of a message: another host may do better.
_TRY_ELSEWHERE = frozenset(("connection_lost", "timeout", "server_busy", "tls_failure", "protocol_error"))
_STOPPED = TempFail("connection_lost", "the sender is shutting down")


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Times in seconds. `timeout_scale` shortens the waits of RFC 5321 section 4.5.3.2, which suit a queue of 1989."""

    connect_timeout: float = 30.0
    handshake_timeout: float = 30.0
    timeout_scale: float = 0.5
    idle: float = 10.0
    max_messages: int = 200
    start_connections: float = 20.0
    max_connections: float = 50.0
    max_hold: float = 5.0  # a pause longer than this goes back to the queue
    cafile: str | None = None


class Errand:
    """A job on its way: where it may still be tried, and what happened so far."""

    __slots__ = ("failure", "future", "host", "job", "mail", "next", "started", "tried")

    def __init__(self, job: CourierJob, mail: Mail, future: asyncio.Future[CourierResult], started: float) -> None:
        self.job = job
        self.mail = mail
        self.future = future
        self.started = started
        self.next = 0
        self.host: Host = ("", "", 0)
        self.tried: list[str] = []
        self.failure: TempFail | PermFail | None = None


class Connection(asyncio.Protocol):
    """One SMTP session over one socket."""

    __slots__ = (
        "_client",
        "_destination",
        "_loop",
        "_wish",
        "deadline",
        "errand",
        "facts",
        "host",
        "served",
        "transport",
    )

    def __init__(self, destination: Destination, errand: Errand, host: Host, wish: TlsWish) -> None:
        self._destination = destination
        self._loop = destination.pool.loop
        self._wish = wish
        job = errand.job
        self._client = SmtpClient(job.helo, bounces.classify, at=self._loop.time(), tls=wish, auth=job.auth)
        self.errand: Errand | None = errand
        self.host = host
        self.facts: TlsFacts | None = None
        self.served = 0
        self.deadline = 0.0
        self.transport: asyncio.Transport | None = None

    @property
    def usable(self) -> bool:
        """Whether a message may be given to it."""
        return self._client.state is State.READY and self.transport is not None and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._touch(self._loop.time())

    def data_received(self, data: bytes) -> None:
        now = self._loop.time()
        before = self._client.state
        self._act(self._client.receive(data, now), before, now)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._client.state is not State.CLOSED and self._client.state is not State.HANDSHAKE:
            now = self._loop.time()
            before = self._client.state
            self._act(self._client.lost(now, type(exc).__name__ if exc else ""), before, now)
        self._destination.gone(self)

    def begin(self, errand: Errand, now: float) -> None:
        """Send a message on this connection."""
        self.errand = errand
        errand.host = self.host
        self.served += 1
        self._destination.state.started(now)
        step = self._client.send(errand.mail, now)
        if step is Step.FINISHED:
            self._loop.call_soon(self._act, step, State.READY, now)  # not at once: a long queue would nest as deep
            return
        self._flush()
        self._touch(now)

    def keep(self, until: float) -> None:
        """Stay open without work."""
        self.deadline = until

    def expire(self, now: float) -> None:
        """The deadline passed: an idle connection says good-bye, a silent server is given up."""
        if self._client.state is State.READY and self.errand is None:
            self.bid_farewell(now)
            return
        if self._client.state is State.CLOSED or self._client.state is State.QUIT:
            if self.transport is not None:
                self.transport.abort()
            return
        before = self._client.state
        self._act(self._client.timed_out(now), before, now)

    def bid_farewell(self, now: float) -> None:
        """QUIT; the slot is free at once, the socket closes when the server answers or after seconds."""
        self._destination.release(self)
        if self.usable:
            self._client.quit(now)
            self._flush()
            self._touch(now)

    def give_up(self, failure: TempFail) -> None:
        """End whatever is under way."""
        if self._client.state is not State.CLOSED:
            before = self._client.state
            self._act(self._client.abort(failure), before, self._loop.time())

    def _flush(self) -> None:
        out = self._client.out
        if out:
            assert self.transport is not None
            if len(out) == 1:
                self.transport.write(out[0])
            else:
                self.transport.writelines(out)
            self._client.out = []

    def _touch(self, now: float) -> None:
        self.deadline = now + self._client.timeout * self._destination.pool.options.timeout_scale

    def _act(self, step: Step, before: State, now: float) -> None:
        if step is Step.WAIT:
            self._flush()
            self._touch(now)
        elif step is Step.FINISHED:
            self._finished(now)
        elif step is Step.READY:
            errand = self.errand
            if errand is not None:
                self._destination.pool.dead.answered(_endpoint(self.host))
                self.begin(errand, now)
        elif step is Step.START_TLS:
            self._touch(now)
            self._destination.pool.spawn(self._upgrade())
        else:
            self._closed(before, now)

    def _finished(self, now: float) -> None:
        errand, self.errand = self.errand, None
        client = self._client
        outcomes = cast("tuple[Outcome, ...]", tuple(client.outcomes))
        if errand is not None:
            self._destination.learn(outcomes, now)
            self._destination.resolve(errand, outcomes, self, now)
        if client.state is State.READY:
            self._destination.freed(self, now)
        else:
            self._destination.release(self)
            self._shut(politely=True)

    def _shut(self, *, politely: bool) -> None:
        """Close the socket. What a server that fails has not read by now it never will, nor answer TLS's good-bye."""
        if self.transport is None:
            return
        if not politely or self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _closed(self, before: State, now: float) -> None:
        """The session is over, perhaps with a message in it."""
        errand, self.errand = self.errand, None
        failure = self._client.failure or TempFail("connection_lost", "the connection ended")
        destination = self._destination
        destination.release(self)
        self._shut(politely=before is State.QUIT)
        if errand is None:
            destination.pump(now)
            return
        outcomes = tuple(failure if o is None else o for o in self._client.outcomes)
        carried = before in (State.ENVELOPE, State.CONTENT, State.DISCARD)
        if before is State.CONTENT or any(o is not failure for o in outcomes if carried):
            # The server may have taken it (RFC 5321 section 4.2.5 leaves that open): not again in this attempt.
            destination.learn(outcomes, now)
            destination.resolve(errand, outcomes, self, now)
        elif carried and self.served > 1:
            destination.dial(errand, now)  # a kept connection had gone stale: the same host, afresh
        elif failure.reason in _TRY_ELSEWHERE or not carried:
            destination.elsewhere(errand, failure, self, now)
        else:
            destination.resolve(errand, outcomes, self, now)
        destination.pump(now)

    async def _upgrade(self) -> None:
        pool = self._destination.pool
        errand = self.errand
        if errand is None or self.transport is None:
            return
        policy = errand.job.tls_policy
        name = self.host[0] or self.host[1]
        try:
            transport = await pool.loop.start_tls(
                self.transport,
                self,
                pool.context(policy),
                server_hostname=name,
                ssl_handshake_timeout=pool.options.handshake_timeout,
            )
            if transport is None:
                raise ConnectionError("closed during the handshake")
            self.facts = peer_tls.facts(transport.get_extra_info("ssl_object"), name, policy, pool.store)
        except (OSError, ssl.SSLError, ValueError) as e:
            self._handshake_failed(policy, e)
            return
        self.transport = transport
        now = self._loop.time()
        before = self._client.state
        if before is State.HANDSHAKE:
            self._act(self._client.tls_started(now, verified=self.facts.verified), before, now)

    def _handshake_failed(self, policy: TlsPolicy, e: Exception) -> None:
        now = self._loop.time()
        errand, self.errand = self.errand, None
        text = getattr(e, "verify_message", "") or getattr(e, "reason", "") or type(e).__name__
        failure = TempFail("tls_failure", f"the TLS handshake failed: {text}")
        if self._client.state is not State.CLOSED:
            self._client.abort(failure)
        if self.transport is not None:
            self.transport.abort()
        self._destination.release(self)
        if errand is None:
            return
        if after_failed_handshake(policy) is AfterFailure.RETRY_IN_CLEAR and not errand.mail.requiretls:
            errand.tried.append(f"{self.host[0]}: {failure.text}; again in clear")
            self._destination.open_to(errand, self.host, "never")
        else:
            self._destination.elsewhere(errand, failure, self, now)

    @property
    def rewritten(self) -> tuple[str, ...]:
        """What of the current message's content was changed for this server."""
        return self._client.rewritten

    def dialogue(self) -> tuple[Exchange, ...]:
        """What was said for the current message."""
        return self._client.dialogue()


class Destination:
    """Connections and waiting messages of one route from one source address."""

    __slots__ = ("_held", "idle", "members", "pool", "state", "waiting")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        options = pool.options
        self.state = DestinationState(start=options.start_connections, cap=options.max_connections)
        self.idle: list[Connection] = []
        self.members: set[object] = set()
        self.waiting: deque[Errand] = deque()
        self._held = False

    def submit(self, errand: Errand, now: float) -> None:
        """Send it now, or keep it until a connection is free."""
        wait = self.state.wait(now)
        if wait > self.pool.options.max_hold:
            self._paused(errand, wait, now)
            return
        if wait == 0.0 and not self.waiting:
            if (connection := self._take_idle(errand)) is not None:
                connection.begin(errand, now)
                return
            if len(self.members) < self.state.connections():
                self.dial(errand, now)
                return
        self.waiting.append(errand)
        if wait:
            self._hold(wait)

    def pump(self, now: float) -> None:
        """Give waiting messages what is free."""
        waiting = self.waiting
        while waiting:
            wait = self.state.wait(now)
            if wait > self.pool.options.max_hold:
                self._paused(waiting.popleft(), wait, now)
                continue
            if wait:
                self._hold(wait)
                return
            if (connection := self._take_idle(waiting[0])) is not None:
                connection.begin(waiting.popleft(), now)
            elif len(self.members) < self.state.connections():
                self.dial(waiting.popleft(), now)
            else:
                return

    def freed(self, connection: Connection, now: float) -> None:
        """A connection finished its message."""
        options = self.pool.options
        if connection.served >= options.max_messages or len(self.members) > self.state.connections():
            connection.bid_farewell(now)
            if self.waiting:
                self.pump(now)
        elif self.waiting and self.state.wait(now) == 0.0 and connection.host in self.waiting[0].job.hosts:
            connection.begin(self.waiting.popleft(), now)
        else:
            connection.keep(now + options.idle)
            self.idle.append(connection)
            if self.waiting:
                self.pump(now)

    def dial(self, errand: Errand, now: float) -> None:
        """Open a connection to the first host of the errand that is worth trying."""
        hosts = errand.job.hosts
        if self.pool.stopping:
            self.resolve(errand, (_STOPPED,) * len(errand.job.recipients), None, now)
            return
        while errand.next < len(hosts):
            host = hosts[errand.next]
            remaining = self.pool.dead.remaining(_endpoint(host), now)
            if _source(errand.job, host) is None:
                errand.tried.append(f"{host[0]} [{host[1]}]: no address of that family to send from, not tried")
                errand.next += 1
                continue
            if remaining == 0.0:
                self.open_to(errand, host, _WISHES[errand.job.tls_policy])
                return
            errand.tried.append(f"{host[0]} [{host[1]}]: did not answer lately, not tried")
            errand.failure = errand.failure or TempFail(
                "connection_failed", f"{host[0]} did not answer lately", retry_after=remaining
            )
            errand.next += 1
        failure = errand.failure or TempFail("no_route", "there is no server to try")
        self.resolve(errand, (failure,) * len(errand.job.recipients), None, now)

    def open_to(self, errand: Errand, host: Host, wish: TlsWish) -> None:
        """Start connecting; the errand goes out when the session is ready."""
        errand.host = host
        if self.pool.stopping:
            self.resolve(errand, (_STOPPED,) * len(errand.job.recipients), None, self.pool.loop.time())
            return
        place = object()
        self.members.add(place)
        task = self.pool.spawn(self._connect(errand, host, wish, place))

        def cut_off(done: asyncio.Task[None]) -> None:
            # A task cancelled before its first step never reaches its own answer.
            if done.cancelled():
                self.resolve(errand, (_STOPPED,) * len(errand.job.recipients), None, self.pool.loop.time())

        task.add_done_callback(cut_off)

    async def _connect(self, errand: Errand, host: Host, wish: TlsWish, place: object) -> None:
        pool = self.pool
        connection = Connection(self, errand, host, wish)
        self.members.add(connection)
        self.members.discard(place)
        local = _source(errand.job, host)
        source = (local, 0) if local else None
        try:
            async with asyncio.timeout(pool.options.connect_timeout):
                await pool.loop.create_connection(lambda: connection, host[1], host[2], local_addr=source)
        except asyncio.CancelledError:
            self.resolve(errand, (_STOPPED,) * len(errand.job.recipients), None, pool.loop.time())
            raise
        except (OSError, ValueError) as e:
            now = pool.loop.time()
            self.release(connection)
            pool.dead.failed(_endpoint(host), now)
            text = "no answer" if isinstance(e, TimeoutError) else (getattr(e, "strerror", "") or type(e).__name__)
            self.elsewhere(errand, TempFail("connection_failed", f"{host[0]}: {text}"), None, now)
            self.pump(now)
            return
        pool.connections.add(connection)
        pool.watch()

    def elsewhere(
        self, errand: Errand, failure: TempFail | PermFail, connection: Connection | None, now: float
    ) -> None:
        """This host did not work out: the next one, or the end of the attempt."""
        name, ip, _ = errand.host
        errand.failure = failure
        errand.next += 1
        if errand.next < len(errand.job.hosts):
            errand.tried.append(f"{name} [{ip}]: {failure.reason}, {failure.text}"[:300])
            self.dial(errand, now)
        else:
            self.learn((failure,), now)
            self.resolve(errand, (failure,) * len(errand.job.recipients), connection, now)

    def learn(self, outcomes: tuple[Outcome, ...], now: float) -> None:
        """Let the destination's pace follow what it answered."""
        for outcome in outcomes:
            if type(outcome) is not Done:
                self.state.failed(outcome, now)
                return
        self.state.delivered(now)

    def resolve(self, errand: Errand, outcomes: tuple[Outcome, ...], connection: Connection | None, now: float) -> None:
        """Tell the one who waits."""
        future = errand.future
        if future.done():
            return  # the caller gave up; its lease will expire
        name, ip, port = errand.host
        rewritten: tuple[str, ...] = ()
        if connection is None:
            why, facts = "no connection", None
            dialogue: tuple[Exchange, ...] = ()
        else:
            dialogue, facts, rewritten = connection.dialogue(), connection.facts, connection.rewritten
            why = f"choice {errand.next + 1} of {len(errand.job.hosts)}, port {port}"
            if connection.served > 1:
                why += ", on an open connection"
        if errand.tried:
            why += "; before: " + "; ".join(errand.tried[:10])
        elapsed = int((now - errand.started) * 1000)
        future.set_result(CourierResult(outcomes, name, ip, why, facts, dialogue, elapsed, rewritten))

    def release(self, connection: Connection) -> None:
        """It no longer counts against the limit."""
        self.members.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)

    def gone(self, connection: Connection) -> None:
        """Its socket is closed."""
        self.release(connection)
        self.pool.connections.discard(connection)

    def _take_idle(self, errand: Errand) -> Connection | None:
        idle = self.idle
        while idle:
            connection = idle.pop()  # the one used last: the others may time out
            if not connection.usable:
                continue
            if connection.host in errand.job.hosts:
                return connection
            connection.bid_farewell(self.pool.loop.time())
        return None

    def _paused(self, errand: Errand, wait: float, now: float) -> None:
        failure = TempFail("rate_limited", "this destination asked us to slow down", retry_after=wait)
        errand.tried.append("paused after what this destination answered lately")
        self.resolve(errand, (failure,) * len(errand.job.recipients), None, now)

    def _hold(self, wait: float) -> None:
        if not self._held:
            self._held = True
            self.pool.loop.call_later(wait, self._resume)

    def _resume(self) -> None:
        self._held = False
        self.pump(self.pool.loop.time())


def _source(job: CourierJob, host: Host) -> str | None:
    """The local address for this host, "" for any, None when those given are of the other family only."""
    if ":" in host[1]:
        return job.source6 if job.source6 or not job.source else None
    return job.source if job.source or not job.source6 else None


def _endpoint(host: Host) -> str:
    return f"{host[1]} {host[2]}"


class Pool:
    """All destinations of a process; belongs to one event loop."""

    def __init__(self, options: PoolOptions) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.stopping = False
        self.dead = DeadHosts()
        self.connections: set[Connection] = set()
        self.destinations: dict[tuple[object, ...], Destination] = {}
        self._contexts: dict[TlsPolicy, ssl.SSLContext] = {}
        self._store: Store | None = None
        self._store_read = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None

    def destination(self, job: CourierJob) -> Destination:
        """The destination a job belongs to."""
        key = (job.route_key, job.source, job.source6, job.tls_policy, job.helo, job.auth and job.auth[0])
        found = self.destinations.get(key)
        if found is None:
            if len(self.destinations) >= 10_000:
                self._forget()
            found = self.destinations[key] = Destination(self)
        return found

    def context(self, policy: TlsPolicy) -> ssl.SSLContext:
        """The TLS context of a policy, made once."""
        found = self._contexts.get(policy)
        if found is None:
            found = self._contexts[policy] = peer_tls.client_context(policy, cafile=self.options.cafile)
        return found

    @property
    def store(self) -> Store | None:
        """The roots for facts, read once."""
        if not self._store_read:
            self._store = peer_tls.trust_store(self.options.cafile)
            self._store_read = True
        return self._store

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a step that must await: connecting and the TLS handshake, nothing else."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def watch(self) -> None:
        """Look after deadlines once a second while there are connections: cheaper than a timer a reply."""
        if self._watch is None and self.connections:
            self._watch = self.loop.call_later(min(1.0, self.options.idle), self._sweep)

    def _sweep(self) -> None:
        self._watch = None
        now = self.loop.time()
        for connection in [c for c in self.connections if c.deadline < now]:
            connection.expire(now)
        self.watch()

    def _forget(self) -> None:
        self.destinations = {k: d for k, d in self.destinations.items() if d.members or d.waiting}

    async def close(self, grace: float) -> None:
        """Drain: idle connections say good-bye, messages under way get `grace` seconds, the rest fail for now."""
        now = self.loop.time()
        self.stopping = True
        for destination in list(self.destinations.values()):
            while destination.waiting:
                errand = destination.waiting.popleft()
                destination.resolve(errand, (_STOPPED,) * len(errand.job.recipients), None, now)
        until = now + grace
        while self.loop.time() < until and any(c.errand for c in self.connections):  # noqa: ASYNC110 (once, at the end of the process)
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.give_up(_STOPPED) if connection.errand else connection.bid_farewell(self.loop.time())
        for task in list(self._tasks):
            task.cancel()
        await asyncio.sleep(0)
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.close()
        for _ in range(20):  # TLS says good-bye to a server that may not listen
            if self.connections:
                await asyncio.sleep(0.01)
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)
        if self._watch is not None:
            self._watch.cancel()
