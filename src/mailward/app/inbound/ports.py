"""What the gate of MX sessions needs from the other parts of receiving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mailward.core.inbound.model import ArcFacts, DkimFacts, DmarcFacts, InboundRoute, ReceivedFacts, SpfFacts
from mailward.protocol.smtp.model import SessionFacts


class Place(NamedTuple):
    """Where mail for an address belongs: a workspace (raw id) and the routes it takes, which may be none.

    No routes: a postmaster or abuse address that its owner has no route for; it is kept and shown.
    """

    workspace: bytes
    routes: tuple[InboundRoute, ...]


class Directory(Protocol):
    """Who receives mail here, answered from memory."""

    def receives(self, domain: str) -> bool:
        """Is this a verified domain of some workspace that takes mail, or one of our own host names?"""
        ...

    def place(self, address: str) -> Place | None:
        """Where mail for the address belongs; None when there is no such address."""
        ...


class Judged(NamedTuple):
    """What authentication found, and our Authentication-Results field, CRLF-ended, or "" for none.

    `removed` is how many fields that pretend to be ours are to be dropped on the way to the endpoint.
    """

    spf: SpfFacts = SpfFacts()
    dkim: tuple[DkimFacts, ...] = ()
    dmarc: DmarcFacts = DmarcFacts()
    arc: ArcFacts = ArcFacts()
    field: str = ""
    removed: int = 0


class Judge(Protocol):
    """SPF, DKIM, DMARC and ARC of one message. Never raises for what DNS says: that is temperror."""

    async def judge(self, content: bytes, session: SessionFacts, mail_from: str) -> Judged:
        """The verdicts."""
        ...


class Arrived(NamedTuple):
    """A message that was judged and is to be recorded for one workspace.

    `routes` are those it takes; `held` says why it waits for a person ("" for "hand it over").
    """

    id: bytes
    workspace: bytes
    content: bytes
    facts: ReceivedFacts
    routes: tuple[InboundRoute, ...]
    held: str


class Desk(Protocol):
    """Takes responsibility for what arrived."""

    async def receive(self, arrived: Arrived) -> str:
        """Record it, or have its endpoint decide first when a route says so; the text of the 250.

        Raises Refused or Unavailable: what the endpoint answered in session, or why nothing could be recorded.
        """
        ...

    async def authorize(
        self, route: InboundRoute, recipient: str, mail_from: str, size: int, session: SessionFacts
    ) -> None:
        """Ask the route's endpoint whether it wants mail for this recipient. Raises Refused or Unavailable."""
        ...


class ReportMail(Protocol):
    """Reports of weaknesses that come as mail."""

    def takes(self, address: str, size: int) -> bool:
        """Is this an address for reports? Raises TooLarge when the octets announced are more than one may have."""
        ...

    async def take(self, mail_from: str, content: bytes, session: SessionFacts) -> str:
        """Put it into the register; the text of the 250. Raises LimitReached, Refused, TooLarge or Unavailable."""
        ...


class ReturnPaths(Protocol):
    """Bounces and complaints that come back to our own return-path addresses."""

    def genuine(self, address: str) -> bool:
        """Is this a return-path address we made?"""
        ...

    async def take(self, addresses: Sequence[str], mail_from: str, content: bytes, session: SessionFacts) -> str:
        """Settle what came back; the text of the 250. Raises Unavailable when it could not be recorded."""
        ...
