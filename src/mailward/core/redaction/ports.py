"""What redaction needs from a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from mailward.core.messages.ended import PrivateParts
from mailward.core.messages.model import Attempt, Delivery, Message
from mailward.core.suppression.model import Entry
from mailward.protocol.inbound.facts import ReceivedFacts


class RedactionRepo(PrivateParts, Protocol):
    """Private parts of messages under way, and how far redaction came, in one workspace.

    `kind` is "sent" or "received", with the field after a colon where a mark is meant.
    """

    async def private(self, message: bytes) -> bytes | None:
        """The sealed private part, or None: never had one, or it is gone."""

    async def privates(self, after: bytes, limit: int) -> list[bytes]:
        """Messages that have one, in order of their ids."""

    async def marks(self) -> dict[str, bytes]:
        """By kind and field: the last message that was redacted, or waits."""

    async def mark(self, kind: str, upto: bytes) -> None: ...

    async def unmark(self, kind: str) -> None:
        """As if it had never run: the field's rule was taken back."""

    async def wait(self, kind: str, messages: Iterable[bytes]) -> None: ...

    async def waiting(self, kind: str, after: bytes, limit: int) -> list[bytes]: ...

    async def waited(self, kind: str, messages: Iterable[bytes]) -> None: ...


class RedactedMessages(Protocol):
    """What redaction needs of messages."""

    async def several(self, messages: Sequence[bytes]) -> dict[bytes, Message]: ...

    async def timeline(self, message: bytes) -> list[tuple[int, str, str]]: ...

    async def timeline_add_all(self, rows: Sequence[tuple[bytes, int, str, str]]) -> None: ...

    async def unindex(self, pairs: Sequence[tuple[bytes, bytes]]) -> None: ...

    async def rewrite(self, message: bytes, facts: bytes) -> None:
        """Other facts for a message."""


class RedactedDeliveries(Protocol):
    """What redaction needs of copies and tries."""

    async def of(self, messages: Sequence[bytes]) -> dict[bytes, list[Delivery]]: ...

    async def attempts(self, message: bytes) -> list[Attempt]: ...

    async def add_attempts(self, rows: Sequence[tuple[bytes, int, int, int, bytes]]) -> None: ...

    async def without_recipients(self, message: bytes, instead: str) -> None:
        """Another text for the recipient of each ended copy, and nothing for what its sender asked of it (DSN)."""


class RedactedContent(Protocol):
    """What redaction needs of retention."""

    async def open_among(self, messages: Sequence[bytes]) -> set[bytes]: ...

    async def between(self, after: bytes, below: bytes, limit: int) -> list[bytes]: ...

    async def let_go(self, messages: Sequence[bytes], now: int) -> None: ...

    async def owe(self, message: bytes, body: tuple[int, int, int], now: int) -> None: ...

    async def events_about(self, named: str, moments: Iterable[int]) -> list[bytes]: ...

    async def telling(self, events: Sequence[bytes]) -> bool:
        """Is an endpoint still to be told one of these?"""

    async def rewrite_events(self, events: Sequence[bytes], rewrite: Rewrite, answers: str) -> None:
        """Other bodies for these events; what endpoints answered to them becomes `answers`."""


class Rewrite(Protocol):
    """Makes a stored event's body another one."""

    def __call__(self, body: bytes) -> bytes: ...


class Received(Protocol):
    """A received message, as far as redaction looks at it."""

    @property
    def body(self) -> tuple[int, int, int] | None: ...

    @property
    def facts(self) -> ReceivedFacts: ...

    @property
    def reason(self) -> str: ...


class RedactedInbound(Protocol):
    """What redaction needs of received mail."""

    async def received(self, id: bytes) -> Received | None: ...

    async def after(self, message: bytes, below: bytes, limit: int) -> list[bytes]:
        """Ids after one and below another, oldest first."""

    async def unfinished_among(self, received: Sequence[bytes]) -> set[bytes]:
        """Those with a copy that is still to be handed over, or that waits for a person."""

    async def rewrite(self, message: bytes, facts: bytes, reason: str) -> None:
        """Other facts for a message, and another reason."""

    async def let_go(self, received: Sequence[bytes], now: int) -> None: ...

    async def without_answers(self, message: bytes, instead: str) -> None:
        """Another text for what endpoints answered to it."""


class ListedAddresses(Protocol):
    """What redaction needs of the suppression list."""

    async def by_token(self, token: bytes) -> list[Entry]: ...

    async def unname(self, id: bytes, instead: str) -> None:
        """Another text for an entry's address; it goes on working by its token."""


class PastTx(Protocol):
    """A transaction of one workspace in which stored messages are redacted."""

    @property
    def redaction(self) -> RedactionRepo: ...

    @property
    def retention(self) -> RedactedContent: ...

    @property
    def messages(self) -> RedactedMessages: ...

    @property
    def deliveries(self) -> RedactedDeliveries: ...

    @property
    def suppressions(self) -> ListedAddresses: ...

    @property
    def inbound(self) -> RedactedInbound: ...
