"""What an SMTP listener needs from the platform."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeVar

from mailward.base.secret import Secret
from mailward.protocol.smtp.model import (
    EnvelopeRecipient,
    MailParams,
    Peer,
    SessionFacts,
    SmtpEnvelope,
)

__all__ = ["EnvelopeRecipient", "MailParams", "Peer", "SessionFacts", "SmtpEnvelope", "SubmissionGate"]

P = TypeVar("P")
"""The verified identity of a session: a value of the gate's own that this edge only carries."""


class SubmissionGate(Protocol[P]):
    """Everything a session asks. All but authenticate() and accept() answer at once, from memory.

    Errors are those of base/errors.py; `edges/smtpd/replies.py` says which reply each becomes.
    """

    async def authenticate(self, username: str, password: Secret[str], peer: Peer) -> P:
        """The principal behind a credential. Raises Unauthenticated, LimitReached or Unavailable, after equal time."""
        ...

    def network_principal(self, peer: Peer) -> P | None:
        """On a listener without AUTH: who stands for this source network, or None to refuse it. An MX lets all in.

        Unavailable when that is not known at this moment: 421.
        """
        ...

    def still_valid(self, principal: P) -> bool:
        """Whether the credential is neither revoked nor expired. Asked at every command and before each accept."""
        ...

    def connection_opened(self, peer: Peer) -> None:
        """Count a connection. Raises LimitReached when the source has too many: 421, and not counted."""
        ...

    def connection_closed(self, peer: Peer) -> None:
        """The counterpart, exactly once for each connection_opened() that did not raise."""
        ...

    def introduce(self, principal: P, session: SessionFacts) -> None:
        """On an MX, before each check_sender(): what the session is like by now, its TLS and the name it gave."""
        ...

    def check_sender(self, principal: P, sender: str, params: MailParams) -> None:
        """Raise a Refused if this principal may not send as `sender` ("" is the null reverse path)."""
        ...

    def check_recipient(self, principal: P, recipient: str) -> Awaitable[None] | None:
        """Raise a Refused if this principal may not send to `recipient`; on an MX perhaps after asking somebody."""
        ...

    def accept(self, principal: P, envelope: SmtpEnvelope, content: bytes, session: SessionFacts) -> Awaitable[str]:
        """Take responsibility and give the message id. The 250 is written after it returns, never before.

        `content` has CRLF line ends only, no NUL, and is not dot-stuffed. A future answers faster than a coroutine.
        It is not cancelled when the client goes away.
        """
        ...
