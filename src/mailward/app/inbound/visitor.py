"""Who stands at the MX's door: a session, and the transaction it is in."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailward.app.inbound.ports import Place
from mailward.protocol.smtp.model import NO_PARAMS, MailParams, Peer, SessionFacts


@dataclass(slots=True)
class Visitor:
    """One connection. What belongs to a transaction is forgotten at each MAIL."""

    peer: Peer
    session: SessionFacts
    sender: str = ""
    params: MailParams = NO_PARAMS
    places: dict[str, Place] = field(default_factory=dict)
    returning: list[str] = field(default_factory=list)
    reporting: bool = False

    def begin(self, sender: str, params: MailParams) -> None:
        """MAIL: a new transaction."""
        self.sender, self.params = sender, params
        self.places, self.returning, self.reporting = {}, [], False

    @property
    def workspace(self) -> bytes | None:
        """Whose message this is to be, once a recipient was taken."""
        return next((place.workspace for place in self.places.values()), None)

    @property
    def in_session(self) -> frozenset[bytes]:
        """Routes whose endpoints will answer while the sender waits."""
        return frozenset(r.id for p in self.places.values() for r in p.routes if r.mode == "in_session")
