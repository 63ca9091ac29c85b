"""Connections that come through a load balancer: its PROXY header first, then a session that knows the real peer.

Only for peers the listener's settings list. They have to send the header; from anybody else it is not understood, and
the first of its octets ends the session as a malformed command.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Generic, cast

from mailward.edges.smtpd.config import Network
from mailward.edges.smtpd.house import House
from mailward.edges.smtpd.ports import P, Peer
from mailward.edges.smtpd.session import Session, peer_of
from mailward.protocol import proxy


def listed(ip: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address is inside one of the networks."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return any(address.version == network.version and address in network for network in networks)


class Doorway(asyncio.Protocol, Generic[P]):
    """A connection until it is known whose it is; then its session takes its place."""

    def __init__(self, house: House[P]) -> None:
        self._house = house
        self._transport: asyncio.Transport | None = None
        self._peer = Peer("", 0, 0)
        self._held = b""
        self._opened = house.loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass on at once who is no balancer; of the others wait for the header."""
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer_of(self._transport)
        if not listed(self._peer.ip, self._house.config.proxies):
            self._hand_over(self._peer, b"")
        else:
            self._house.await_header(self)

    def data_received(self, data: bytes) -> None:
        """Octets of the header, and perhaps of what follows."""
        self._held += data
        try:
            found = proxy.read(self._held)
        except proxy.BadProxyHeader:
            self._house.counters.turned_away += 1
            self.abort()
            return
        if found is None:
            return
        self._house.leave(self)
        rest = self._held[found.length :]
        peer = self._peer
        if found.source is not None and found.destination is not None:
            peer = Peer(found.source[0], found.source[1], found.destination[1])
        self._hand_over(peer, rest)

    def _hand_over(self, peer: Peer, rest: bytes) -> None:
        transport = self._transport
        assert transport is not None
        session = Session(self._house, peer)
        transport.set_protocol(session)
        session.connection_made(transport)
        if rest:
            session.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """It left before it said whose connection this is."""
        self._house.leave(self)

    # ---------------------------------------------------------------- Guest

    def check(self, now: float) -> None:
        """A header is one packet: whoever needs longer than a handshake may is not a balancer."""
        if now - self._opened > self._house.config.handshake:
            self._house.counters.timeouts += 1
            self.abort()

    def drain(self) -> None:
        """Nothing was begun."""
        self.abort()

    def dismiss(self) -> None:
        """Nothing was begun."""
        self.abort()

    def abort(self) -> None:
        """End it without a word."""
        if self._transport is not None:
            self._transport.abort()
