"""What the sessions of one listener share: the gate, the manners, the certificate, and the list of who is in."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol

from mailward.edges.smtpd.config import ListenerConfig
from mailward.edges.smtpd.floor import Floor
from mailward.edges.smtpd.ports import P, SubmissionGate
from mailward.edges.smtpd.room import Room

_ROOM = 536_870_912


class Guest(Protocol):
    """A session as the sweep and the drain see it."""

    def check(self, now: float) -> None:
        """End it if one of its deadlines has passed; `now` is the loop's clock in seconds."""
        ...

    def drain(self) -> None:
        """Take nothing new; end when what is in hand is done."""
        ...

    def dismiss(self) -> None:
        """The deadline of the drain has passed: a last word if it can still be heard, then the end."""
        ...

    def abort(self) -> None:
        """End it without a word."""
        ...


@dataclass(slots=True)
class Counters:
    """Totals since the listener started, for the metrics."""

    connections: int = 0
    turned_away: int = 0
    tls_failures: int = 0
    auth_failures: int = 0
    accepted: int = 0
    refused: int = 0
    timeouts: int = 0


class House(Generic[P]):
    """`tls` is asked for a context at each handshake, so that a renewed certificate serves the next connection."""

    def __init__(
        self,
        config: ListenerConfig,
        gate: SubmissionGate[P],
        tls: Callable[[], ssl.SSLContext] | None,
        floor: Floor | None = None,
        room: Room | None = None,
    ) -> None:
        self.config = config
        self.gate = gate
        self.tls = tls
        self.loop = asyncio.get_running_loop()
        self.counters = Counters()
        self.floor = Floor() if floor is None else floor
        self.room = Room(_ROOM) if room is None else room
        self.guests: set[Guest] = set()
        self._waiting: set[Guest] = set()
        self.draining = False
        self.empty = asyncio.Event()
        self.empty.set()

    def enter(self, guest: Guest) -> None:
        """A connection was made."""
        self._add(guest)
        self.counters.connections += 1

    def await_header(self, guest: Guest) -> None:
        """A balancer's connection, not yet counted: it is not known whose it is."""
        self._add(guest)

    def hand_over(self, guest: Guest) -> None:
        """It gave us a message and waits for what becomes of it."""
        if guest in self.guests and guest not in self._waiting:
            self._waiting.add(guest)
            self.floor.handed_over()

    def answer(self, guest: Guest) -> None:
        """It was told, and may go on."""
        if guest in self._waiting:
            self._waiting.remove(guest)
            self.floor.waiting -= 1

    def leave(self, guest: Guest) -> None:
        """A connection is gone; more than one call does no harm."""
        if guest not in self.guests:
            return
        self.answer(guest)
        self.guests.remove(guest)
        self.floor.present -= 1
        self.floor.look()
        if not self.guests:
            self.empty.set()

    def _add(self, guest: Guest) -> None:
        if guest not in self.guests:
            self.guests.add(guest)
            self.floor.present += 1
            self.empty.clear()
