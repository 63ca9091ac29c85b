"""A listener: sessions on sockets that were bound before, one sweep over their deadlines, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Generic

from mailward.edges.smtpd.config import ListenerConfig, Mode
from mailward.edges.smtpd.floor import Floor
from mailward.edges.smtpd.house import Counters, House
from mailward.edges.smtpd.ports import P, SubmissionGate
from mailward.edges.smtpd.proxied import Doorway
from mailward.edges.smtpd.room import Room
from mailward.edges.smtpd.session import Session


class Listener(Generic[P]):
    """A running listener. Made by serve()."""

    def __init__(self, house: House[P], servers: list[asyncio.Server]) -> None:
        self._house = house
        self._servers = servers
        self._timer = house.loop.call_later(house.config.tick, self._sweep)

    @property
    def name(self) -> str:
        """The listener's name from its configuration."""
        return self._house.config.name

    @property
    def counters(self) -> Counters:
        """Totals since the start."""
        return self._house.counters

    @property
    def sessions(self) -> int:
        """Connections open now."""
        return len(self._house.guests)

    def sweep(self, now: float) -> None:
        """End the sessions whose deadlines have passed; `now` is the loop's clock in seconds."""
        for guest in list(self._house.guests):
            guest.check(now)

    def _sweep(self) -> None:
        house = self._house
        self.sweep(house.loop.time())
        self._timer = house.loop.call_later(house.config.tick, self._sweep)

    async def drain(self, deadline: float) -> None:
        """Stop listening, let sessions finish what they have in hand, and after `deadline` seconds end them all.

        Idle sessions are told 421 4.3.2 at once, others at their next command or after their message is answered,
        and those still open at the deadline as their last word (RFC 5321 section 3.8).
        """
        house = self._house
        house.draining = True
        for server in self._servers:
            server.close()
        for guest in list(house.guests):
            guest.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(house.empty.wait(), deadline)
        for guest in list(house.guests):
            guest.dismiss()
        with contextlib.suppress(TimeoutError):  # a client that reads hangs up now; closing at once could eat the 421
            await asyncio.wait_for(house.empty.wait(), min(1.0, house.config.linger))
        await self.close()

    async def close(self) -> None:
        """Stop at once. A message whose acceptance is under way may be accepted without its sender being told."""
        house = self._house
        house.draining = True
        self._timer.cancel()
        for server in self._servers:
            server.close()
        for guest in list(house.guests):
            guest.abort()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(house.empty.wait(), 1.0)


async def serve(
    sockets: Sequence[socket.socket | int],
    gate: SubmissionGate[P],
    config: ListenerConfig,
    tls: Callable[[], ssl.SSLContext] | None = None,
    floor: Floor | None = None,
    room: Room | None = None,
) -> Listener[P]:
    """Serve SMTP on bound sockets (or inherited descriptors of such). Every worker process may serve the same ones.

    `tls` gives the context for each new handshake; listeners with one `floor` tell together when all is quiet, and
    those with one `room` hold no more content than it has. Raises ValueError when the mode needs TLS and none is given.
    """
    if tls is None and config.mode is not Mode.PRIVATE:
        raise ValueError(f"listener {config.name} needs TLS")
    house = House(config, gate, tls, floor, room)
    servers = []
    for entry in sockets:
        sock = socket.socket(fileno=entry) if isinstance(entry, int) else entry
        sock.setblocking(False)
        servers.append(await house.loop.create_server(_protocol(house), sock=sock, backlog=config.backlog))
    return Listener(house, servers)


def _protocol(house: House[P]) -> Callable[[], asyncio.Protocol]:
    if house.config.proxies:
        return lambda: Doorway(house)
    return lambda: Session(house)
