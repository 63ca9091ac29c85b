"""The submission gate: a message that takes time to prepare keeps nobody else waiting."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from mailward.app.candidate import Candidate
from mailward.app.gate import LARGE, Gate
from mailward.base import ids
from mailward.base.errors import Invalid
from mailward.base.ids import WorkspaceId
from mailward.policy.access import Actor, Permission
from mailward.protocol.smtp.model import EnvelopeRecipient, SessionFacts, SmtpEnvelope

HEAD = b"From: a@d.test\r\nMessage-ID: <1@d.test>\r\n"
FACTS = SessionFacts("c.test", "192.0.2.1", "", "", "submission", True)


class World:
    """Clock, entropy and acceptance; notes where it was asked for the time."""

    def __init__(self) -> None:
        self.beside: list[bool] = []
        self.accepted: list[Candidate] = []
        self.refused: list[str] = []

    def now(self) -> datetime:
        self.beside.append(threading.current_thread() is not threading.main_thread())
        return datetime(2026, 11, 23, tzinfo=UTC)

    def bytes(self, n: int) -> bytes:
        return bytes(n)

    def accept_soon(self, actor: Actor, c: Candidate) -> None:
        """Only the long way can go on."""

    async def accept(self, actor: Actor, c: Candidate) -> Any:
        self.accepted.append(c)
        return type("Receipt", (), {"id": bytes(16)})

    def gate(self) -> Gate:
        gate: Gate = cast(Any, Gate)(
            self, self, hostname="mx.test", clock=self, entropy=self, arrivals=None, budgets=None, auth_failures=None,
            standings=None, counted=None, refused=self.refused.append, fill=None, hold=None,
        )  # fmt: skip
        return gate


def envelope(content: bytes) -> SmtpEnvelope:
    return SmtpEnvelope(
        "a@d.test", (EnvelopeRecipient("b@e.test", "", ""),), "", "", "7BIT", False, False, len(content)
    )


@pytest.mark.parametrize("octets", [100, LARGE])
async def test_a_large_message_is_prepared_in_a_thread(octets: int, sender: Actor) -> None:
    """What is accepted and what is refused is the same; only where it is found out differs."""
    world = World()
    gate = world.gate()
    body = b"\r\n" + b"x" * octets + b"\r\n"
    assert await gate.accept(sender, envelope(HEAD + body), HEAD + body, FACTS) == ids.encode("msg", UUID(int=0).bytes)
    assert world.accepted[0].content.endswith(b"\r\n" if octets > 998 else body)
    assert world.accepted[0].size == len(HEAD + body)
    assert world.beside[0] is (octets == LARGE)
    twice = HEAD * 2 + body
    with pytest.raises(Invalid) as refused:
        await gate.accept(sender, envelope(twice), twice, FACTS)
    assert refused.value.code == "from_multiple_fields" and world.refused == ["from_multiple_fields"]


@pytest.fixture
def sender() -> Actor:
    return Actor(WorkspaceId("ws_1"), "smtp_credential", "crd_1", frozenset({Permission.MESSAGE_SEND}))
