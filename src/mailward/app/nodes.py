"""This machine among those that share a store: its identity, its heart, and its eye on the others."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

import structlog

from mailward import __version__
from mailward.app.settings import Settings, is_loopback, split_address
from mailward.base.sources import Clock, Entropy
from mailward.core.nodes.model import BEAT_SECONDS, Beat, Identity
from mailward.core.nodes.observe import Observer
from mailward.core.nodes.ports import Nodes
from mailward.core.nodes.pulse import Pulse

log = structlog.get_logger()

_INSTANCE = 16


def identity(settings: Settings, entropy: Entropy) -> Identity:
    """Who this machine is. Its data folder keeps what tells it from another with the same number."""
    return Identity(
        settings.storage.node,
        _instance(settings.data / "node-id", entropy),
        settings.server.hostname or socket.gethostname(),
        settings.storage.zone,
        __version__,
        http_door(settings),
        submission_door(settings),
    )


def http_door(settings: Settings) -> str:
    """Where other nodes ask this one's API and pages, one beyond loopback if there is; "" when there is none."""
    if "web" not in settings.server.roles:
        return ""
    found = _reachable(settings, settings.http.listen)
    return f"{'https' if settings.http.speaks_tls(found[0]) else 'http'}://{found[1]}" if found else ""


def submission_door(settings: Settings) -> str:
    """The same of the listener for submission that begins with STARTTLS."""
    found = _reachable(settings, settings.submission.starttls) if "submission" in settings.server.roles else None
    return found[1] if found else ""


def _reachable(settings: Settings, listeners: list[str]) -> tuple[str, str] | None:
    """A listener, and how others name it."""
    named = []
    for listener in listeners:
        host, port = split_address(listener)
        if host in ("0.0.0.0", "::"):  # noqa: S104  # read from the settings, not bound
            host = settings.storage.address
        if host:
            named.append((is_loopback(host), listener, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
    named.sort(key=lambda n: n[0])
    return named[0][1:] if named else None


def _instance(path: Path, entropy: Entropy) -> bytes:
    try:
        found = path.read_bytes()
        if len(found) == _INSTANCE:
            return found
    except FileNotFoundError:
        pass
    made = entropy.bytes(_INSTANCE)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(made)
    fresh.replace(path)
    return made


class Heart:
    """Beats for one worker, and for its supervisor's first one watches all others.

    `pulse` is what the worker's own parts look at. `lost` is called once, when others
    gave this generation up for dead: whatever it leased is somebody else's by now.
    """

    def __init__(
        self,
        nodes: Nodes | None,
        *,
        slot: int,
        generation: int,
        roles: str,
        first: bool,
        clock: Clock,
        lost: Callable[[], None],
    ) -> None:
        """`nodes` is None for the store of one machine: nobody listens, and the pulse is always fresh."""
        self._nodes = nodes
        self._slot = slot
        self._generation = generation
        self._roles = roles
        self._first = first
        self._clock = clock
        self._lost = lost
        self._observer = Observer()
        self._task: asyncio.Task[None] | None = None
        self.pulse = Pulse(clock.monotonic(), alone=nodes is None)

    @property
    def serving(self) -> bool:
        """Should this worker be given work? Not while its node rests, and not while others may take it for dead."""
        return not self.pulse.resting and self.pulse.fresh(self._clock.monotonic())

    @property
    def leads(self) -> bool:
        """Is what is done once for all nodes to be done here? Two may believe so for one beat: it has to do no harm."""
        return self.pulse.leads and self.pulse.fresh(self._clock.monotonic())

    async def start(self) -> None:
        """The first beat, then one every so often. Unavailable when the store is away."""
        if self._nodes is not None:
            await self._beat(self._nodes)
            self._task = asyncio.get_running_loop().create_task(self._run(self._nodes))

    async def stop(self) -> None:
        """Beat no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, nodes: Nodes) -> None:
        while not self.pulse.lost:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._beat(nodes)
                if self._first and not self.pulse.lost:
                    await self._look(nodes)
            except Exception as e:  # a heart that stops for a fault of one beat is a worker that others bury alive
                log.warning("beat_missed", error=type(e).__name__, code=getattr(e, "code", ""))

    async def _beat(self, nodes: Nodes) -> None:
        began = self._clock.monotonic()
        answer = await nodes.beat(self._slot, self._generation, roles=self._roles, for_node=self._first)
        if answer is not None:
            if answer.resting != self.pulse.resting:
                log.info("node_draining" if answer.resting else "node_takes_work_again")
            self.pulse.beaten(began, answer)
            return
        self.pulse.lost = True
        log.error("given_up_for_dead", advice="this worker could not reach the store for long; it starts anew")
        try:
            # What it accepted since then was recorded as leased to a generation that no longer is.
            await nodes.give_back(self._generation, self._now_us())
        finally:
            # Also when the store is away again: those leases run out, but a worker that stays would never send.
            self._lost()

    async def _look(self, nodes: Nodes) -> None:
        beats: list[Beat] = await nodes.beats()
        if dead := self._observer.look(beats, self._clock.monotonic()):
            returned = await nodes.give_up(dead, self._now_us())
            log.warning("workers_given_up", slots=[b.slot for b in dead], copies=returned)

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000)
