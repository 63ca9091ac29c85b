"""Connections to the servers we send to: opened, kept for a while, shared between messages.

A `Destination` is everything that goes to one route from one source address. A message takes
an idle connection, or opens one while the destination's limit allows, or waits; a connection
that becomes free takes the next waiting message in the same callback, without a task.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from cryptography.x509.verification import Store

from mailward.adapters.net import peer_tls
from mailward.adapters.net.connection import Connection
from mailward.adapters.net.courier_job import CourierJob, CourierResult
from mailward.adapters.net.errand import Errand, Host, PoolOptions, endpoint, refused
from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.policy.elsewhere import CROWD, may_take
from mailward.policy.retry import DeadHosts, DestinationState
from mailward.policy.tls import TlsPolicy
from mailward.protocol.smtp.client import Exchange, TlsWish

_WISHES: dict[TlsPolicy, TlsWish] = {
    TlsPolicy.NONE: "never",
    TlsPolicy.OPPORTUNISTIC: "offered",
    TlsPolicy.ENCRYPT: "required",
    TlsPolicy.VERIFY: "required",
}
# Seconds for which a destination counts as crowded after the last message that waited too long.
_CROWDED_SECONDS = 300.0
# For how long a message may keep a connection busy where nothing was taken yet that would say so.
_SLOW_SECONDS = 60.0
_STOPPED = TempFail("connection_lost", "the sender is shutting down")
_BROKEN = TempFail("internal", "an internal fault of the sender kept the connection from being made")


class Destination:
    """Connections and waiting messages of one route from one source address.

    A message that waits occupies its sender's place, which others could use. So where mail comes faster than it goes,
    what waited too long goes back to the queue, with a turn at the pace at which the destination takes it: nobody was
    asked, so that is no attempt. While that lasts no more wait than there are connections.
    """

    __slots__ = ("_crowded", "_held", "_turn", "idle", "members", "pool", "state", "waiting")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        options = pool.options
        self.state = DestinationState(start=options.start_connections, cap=options.max_connections)
        self.idle: list[Connection] = []
        self.members: set[object] = set()
        self.waiting: deque[Errand] = deque()
        self._held = False
        self._crowded = 0.0  # until then
        self._turn = 0.0  # of the last message that was handed back

    def submit(self, errand: Errand, now: float) -> None:
        """Send it now, or keep it until a connection is free."""
        wait = self.state.wait(now)
        if wait > self.pool.options.max_hold:
            self._hand_back(errand, wait, now)
            return
        if wait == 0.0 and not self.waiting:
            if (connection := self._take_idle(errand)) is not None:
                connection.begin(errand, now)
                return
            if len(self.members) < self.state.connections():
                self.dial(errand, now)
                return
        if self._crowded > now and len(self.waiting) >= self.state.connections():
            self._hand_back(errand, 0.0, now)
            return
        if not self.waiting:
            self.pool.queues.add(self)
            self.pool.watch()
        self.waiting.append(errand)
        if wait:
            self._hold(wait)

    def pump(self, now: float) -> None:
        """Give waiting messages what is free."""
        waiting = self.waiting
        while waiting:
            wait = self.state.wait(now)
            if wait > self.pool.options.max_hold:
                self._hand_back(waiting.popleft(), wait, now)
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
        elif self.waiting and self.state.wait(now) == 0.0 and connection.fits(self.waiting[0]):
            connection.begin(self.waiting.popleft(), now)
        else:
            connection.keep(now + options.idle)
            self.idle.append(connection)
            if self.waiting:
                self.pump(now)
            else:
                self._crowded = 0.0

    def dial(self, errand: Errand, now: float) -> None:
        """Open a connection to the first host of the errand that is worth trying."""
        hosts = errand.hosts
        if self.pool.stopping:
            self.resolve(errand, (_STOPPED,) * len(errand.mail.recipients), None, now)
            return
        while errand.next < len(hosts):
            host = hosts[errand.next]
            remaining = self.pool.dead.remaining(endpoint(host), now)
            if _source(errand.job, host) is None:
                errand.tried.append(f"{host[0]} [{host[1]}]: no address of that family to send from, not tried")
                errand.next += 1
                continue
            if remaining == 0.0:
                self.open_to(errand, host, _WISHES[errand.job.tls_policy])
                return
            errand.tried.append(f"{host[0]} [{host[1]}]: did not answer lately, not tried")
            if not isinstance(errand.failure, TempFail):
                text = f"{host[0]} did not answer lately"
                errand.failure = TempFail("connection_failed", text, retry_after=remaining)
            errand.next += 1
        failure = errand.failure or TempFail("no_route", "there is no server to try")
        self.resolve(errand, (failure,) * len(errand.mail.recipients), None, now)

    def open_to(self, errand: Errand, host: Host, wish: TlsWish, tls_failed: str = "") -> None:
        """Start connecting; the errand goes out when the session is ready."""
        errand.host = host
        if self.pool.stopping:
            self.resolve(errand, (_STOPPED,) * len(errand.mail.recipients), None, self.pool.loop.time())
            return
        place = object()
        self.members.add(place)
        task = self.pool.spawn(self._connect(errand, host, wish, place, tls_failed))

        def cut_off(done: asyncio.Task[None]) -> None:
            # A task cancelled before its first step never reaches its own answer.
            if done.cancelled():
                self.resolve(errand, (_STOPPED,) * len(errand.mail.recipients), None, self.pool.loop.time())
            elif (fault := done.exception()) is not None:
                self.pool.failed(fault)
                self.members.discard(place)
                self.resolve(errand, (_BROKEN,) * len(errand.mail.recipients), None, self.pool.loop.time())
                self.pump(self.pool.loop.time())

        task.add_done_callback(cut_off)

    async def _connect(self, errand: Errand, host: Host, wish: TlsWish, place: object, tls_failed: str) -> None:
        pool = self.pool
        connection = Connection(self, errand, host, wish, tls_failed)
        self.members.add(connection)
        self.members.discard(place)
        local = _source(errand.job, host)
        source = (local, 0) if local else None
        try:
            async with asyncio.timeout(pool.options.connect_timeout):
                await pool.loop.create_connection(lambda: connection, host[1], host[2], local_addr=source)
        except asyncio.CancelledError:
            self.resolve(errand, (_STOPPED,) * len(errand.mail.recipients), None, pool.loop.time())
            raise
        except (OSError, ValueError) as e:
            now = pool.loop.time()
            self.release(connection)
            text = "no answer" if isinstance(e, TimeoutError) else (getattr(e, "strerror", "") or type(e).__name__)
            if local and getattr(e, "errno", None) == errno.EADDRNOTAVAIL:
                text = f"{local} is no address of this machine (delivery.sources)"  # which says nothing of the host
            else:
                pool.dead.failed(endpoint(host), now)
            self.elsewhere(errand, TempFail("connection_failed", f"{host[0]}: {text}"), None, now)
            self.pump(now)
            return
        if connection.transport is not None:  # not lost already
            pool.connections.add(connection)
            pool.watch()

    def elsewhere(
        self, errand: Errand, failure: TempFail | PermFail, connection: Connection | None, now: float
    ) -> None:
        """This host did not work out: the next one, or the end of the attempt."""
        name, ip, _ = errand.host
        found: TempFail | PermFail = failure
        if isinstance(failure, PermFail) and isinstance(errand.failure, TempFail):
            found = errand.failure  # what this host cannot take at all, the one that did not work out may take later
        errand.failure = found
        errand.next += 1
        more = errand.next < len(errand.hosts)
        if more or found is not failure or errand.told is not None:
            errand.tried.append(refused(name, ip, failure))
        if more:
            self.dial(errand, now)
        else:
            self.learn((found,), now)
            self.resolve(errand, (found,) * len(errand.mail.recipients), connection, now)

    def transacted(self, errand: Errand, outcomes: tuple[Outcome, ...], connection: Connection, now: float) -> bool:
        """A transaction was answered: tell the one who waits, or go on with the recipients it left.

        Whom the server left out because there were too many follows in the next transaction, now or soon, as long as
        each takes somebody: true when `connection` is to begin the errand again. Whom this host refuses for a trouble
        of its own goes to the next one (RFC 5321 section 5.1).
        """
        for outcome in outcomes:
            if type(outcome) is TempFail or errand.aside:
                break
        else:
            self.learn(outcomes, now)
            self.resolve(errand, outcomes, connection, now)
            return False
        options, numbers = self.pool.options, errand.open
        goes_on = not self.pool.stopping and not errand.future.done() and now - errand.started < options.go_on
        elsewhere = errand.aside + [n for n, o in zip(numbers, outcomes, strict=True) if may_take(o)]
        left_out = [n for n, o in zip(numbers, outcomes, strict=True) if isinstance(o, TempFail) and o.reason == CROWD]
        if left_out and any(type(o) is Done for o in outcomes):
            outcomes = tuple([_soon(o, options.soon) for o in outcomes])
            if goes_on and errand.transactions < options.transactions and self.state.wait(now) == 0.0:
                self.state.delivered(now)
                errand.keep(self._result(errand, outcomes, connection, now))
                errand.go_on(left_out)
                errand.aside = elsewhere
                errand.transactions += 1
                if connection.usable and connection.served < options.max_messages:
                    return True
                self.dial(errand, now)
                return False
        errand.refusals += 1
        if elsewhere and goes_on and errand.refusals < options.refusals and (hosts := errand.others(errand.host)):
            result = self._result(errand, outcomes, connection, now)
            failure = next((o for o in outcomes if may_take(o)), None) or errand.stands(elsewhere[0])
            errand.tried.append(refused(result.host, result.ip, failure))
            errand.keep(result)
            errand.go_on(elsewhere)
            errand.aside, errand.hosts, errand.next = [], hosts, 0
            self.dial(errand, now)
            return False
        self.learn(outcomes, now)
        self.resolve(errand, outcomes, connection, now)
        return False

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
        result = self._result(errand, outcomes, connection, now)
        future.set_result(result if errand.told is None else errand.ended(result))

    def _result(
        self, errand: Errand, outcomes: tuple[Outcome, ...], connection: Connection | None, now: float
    ) -> CourierResult:
        name, ip, port = errand.host
        rewritten: tuple[str, ...] = ()
        if connection is None:
            why, facts = "no connection", None
            dialogue: tuple[Exchange, ...] = ()
        else:
            dialogue, facts, rewritten = connection.dialogue(), connection.facts, connection.rewritten
            hosts = errand.job.hosts  # not `next`, which is past a host that did not work out, or behind an open one
            why = f"choice {hosts.index(errand.host) + 1} of {len(hosts)}, port {port}"
            if connection.served > 1:
                why += ", on an open connection"
            if connection.tls_failed:
                why += f", in clear as TLS failed ({connection.tls_failed})"
        if errand.tried:
            why += "; before: " + "; ".join(errand.tried[:10])
        elapsed = int((now - errand.started) * 1000)
        return CourierResult(outcomes, name, ip, why, facts, dialogue, elapsed, rewritten)

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
            if connection.fits(errand):
                return connection
            connection.bid_farewell(self.pool.loop.time())
        return None

    def look(self, now: float) -> bool:
        """Whether messages wait, once those that waited too long are handed back."""
        waiting, oldest = self.waiting, now - self.pool.options.max_wait
        while waiting and waiting[0].started < oldest:
            self._crowded = now + _CROWDED_SECONDS
            self._hand_back(waiting.popleft(), 0.0, now)
        return bool(waiting)

    def _hand_back(self, errand: Errand, wait: float, now: float) -> None:
        """Not its turn: the queue keeps it until then. Turns follow each other at the pace that was seen or learnt."""
        options = self.pool.options
        pace = self.state.rate or max(self.state.pace(now), self.state.connections() / _SLOW_SECONDS)
        self._turn = max(self._turn + 1 / pace, now + max(wait, options.turn_first))
        later = self._turn - now
        if later > options.turn_last:
            later = options.turn_last * (0.75 + 0.25 * (later % 1))  # not all at once
        paused = wait > 0.0
        text = "this destination asked us to slow down" if paused else "much mail waits for this destination"
        failure = TempFail("rate_limited" if paused else "turn", text, retry_after=later, tried=False)
        self.resolve(errand, (failure,) * len(errand.mail.recipients), None, now)

    def _hold(self, wait: float) -> None:
        if not self._held:
            self._held = True
            self.pool.loop.call_later(wait, self._resume)

    def _resume(self) -> None:
        self._held = False
        self.pump(self.pool.loop.time())


def _soon(outcome: Outcome, seconds: float) -> Outcome:
    """Of a server that took others: whom it left out was not judged, so that is no attempt."""
    if isinstance(outcome, TempFail) and outcome.reason == CROWD:
        return replace(outcome, tried=False, retry_after=seconds)
    return outcome


def _source(job: CourierJob, host: Host) -> str | None:
    """The local address for this host, "" for any, None when those given are of the other family only."""
    if ":" in host[1]:
        return job.source6 if job.source6 or not job.source else None
    return job.source if job.source or not job.source6 else None


class Pool:
    """All destinations of a process; belongs to one event loop."""

    def __init__(self, options: PoolOptions, failed: Callable[[BaseException], None]) -> None:
        self.options = options
        self.failed = failed
        self.loop = asyncio.get_running_loop()
        self.stopping = False
        self.dead = DeadHosts()
        self.connections: set[Connection] = set()
        self.destinations: dict[tuple[object, ...], Destination] = {}
        self.queues: set[Destination] = set()
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
        if self._watch is None and (self.connections or self.queues):
            self._watch = self.loop.call_later(min(1.0, self.options.idle), self._sweep)

    def _sweep(self) -> None:
        self._watch = None
        now = self.loop.time()
        for connection in [c for c in self.connections if c.deadline < now]:
            connection.expire(now)
        for destination in [d for d in self.queues if not d.look(now)]:
            self.queues.discard(destination)
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
                destination.resolve(errand, (_STOPPED,) * len(errand.mail.recipients), None, now)
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
