"""Accepting when the store does not say what became of the record."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.app.candidate import Candidate
from mailward.app.knowledge import KnownDomain
from mailward.app.metrics import Metrics
from mailward.app.platform.acceptance import Acceptance
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, MailwardError, Unavailable
from mailward.base.ids import WorkspaceId
from mailward.core.messages.model import DeliveryState
from mailward.core.submission.model import Receipt, StaleJudgement
from mailward.core.workspaces.model import DataKey
from mailward.policy.access import Actor, Permission
from tests.conftest import SeededEntropy

WS = WorkspaceId(ids.encode("ws", b"w" * 16))
DAY_US = 86_400_000_000
NOW = 20_000 * DAY_US


class Room:
    """A sender with room, which notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def reserve(self, workspace: bytes, size: int) -> bool:
        self.told.append("reserve")
        return True

    def release(self, workspace: bytes, size: int) -> None:
        self.told.append("release")

    def take(self, work: Any) -> None:
        self.told.append("take")

    def doubtful(self) -> None:
        self.told.append("doubtful")


class Answers:
    """A store that says these things, one to each record; and what is known, read again as often as it is asked."""

    def __init__(self, *said: BaseException | Receipt) -> None:
        self._said = list(said)
        self.refreshed = self.revalidated = 0

    def write_item(self, *_: Any, **__: Any) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        said = self._said.pop(0)
        if isinstance(said, BaseException):
            future.set_exception(said)
        else:
            future.set_result(said)
        return future

    async def refresh(self) -> None:
        self.refreshed += 1

    async def revalidate(self, actor: Actor) -> None:
        self.revalidated += 1


def acceptance(room: Room, answers: Answers) -> Acceptance:
    known = KnownDomain(b"d" * 16, "d.test", capture_only=False, subdomains=False, return_path="")
    parts: Any = SimpleNamespace
    allowed: Any = lambda *_: True  # noqa: E731
    return Acceptance(
        parts(write_item=answers.write_item),
        parts(cached=lambda workspace, day: DataKey(day, 1, AESGCM(bytes(32)))),
        parts(
            domains=lambda workspace: {"d.test": known},
            paused=lambda workspace, stream: False,
            redaction=lambda workspace: None,
            epochs=(0, 0),
            refresh=answers.refresh,
        ),
        outbox=room, lessee=4, entropy=SeededEntropy(1), now_us=lambda: NOW, token_key=lambda _: bytes(32),
        metrics=Metrics(), max_bytes=1000, max_recipients=10, refused_files=frozenset(), capture=False,
        allowance=allowed, standings=parts(plain=lambda _: True), revalidate=answers.revalidate, ring=lambda: None,
    )  # fmt: skip


ACTOR = Actor(WS, "key", "key_1", frozenset((Permission.MESSAGE_SEND,)))


def candidate() -> Candidate:
    return Candidate(
        content=b"From: <a@d.test>\r\n\r\nx\r\n", mail_from="a@d.test", recipients=[("b@x.test", None)],
        header_from="<a@d.test>", from_domain="d.test", domains=("d.test",), to="b@x.test", subject="x",
        message_id="<1@d.test>", source="smtp",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unavailable("storage_unavailable", "Later."), ["reserve", "release", "doubtful"]),
        (Conflict("idempotency_key_reused", "No."), ["reserve", "release"]),
    ],
)
async def test_a_record_nobody_can_tell_of_is_doubted(error: MailwardError, told: list[str]) -> None:
    """The room comes back either way; only where the store was away may the message be there, leased to this worker."""
    room = Room()
    answer = acceptance(room, Answers(error)).accept_soon(ACTOR, candidate())
    assert answer is not None
    with pytest.raises(type(error)):
        await answer
    assert room.told == told


def test_a_refused_envelope_sender_is_called_that() -> None:
    """A verified From does not help a MAIL FROM of somebody else's, and the refusal says which of them it is."""
    judge = acceptance(Room(), Answers())
    with pytest.raises(Forbidden, match="not a verified domain") as refused:
        judge.require_domain(ACTOR, b"w" * 16, "other.test")
    assert refused.value.code == "domain_not_verified"
    assert refused.value.public.startswith("The MAIL FROM address is of other.test,")
    judge.require_domain(ACTOR, b"w" * 16, "d.test")


async def test_a_burst_of_administration_refuses_no_mail() -> None:
    """However often credentials or domains changed while a message waited for its commit, it is judged anew, on what
    was read and asked again each time; the sender hears of none of it."""
    answers = Answers(*[StaleJudgement()] * 30, Receipt(b"m" * 16, (DeliveryState.LEASED,)))
    answer = acceptance(room := Room(), answers).accept_soon(ACTOR, candidate())
    assert answer is not None
    assert await answer == ids.encode("msg", b"m" * 16)
    assert (answers.refreshed, answers.revalidated) == (30, 30)
    assert [room.told.count(what) for what in ("reserve", "release", "take")] == [31, 30, 1]


async def test_a_change_without_end_is_no_wait_without_end() -> None:
    """Whoever changes credentials faster than anything can be committed, without end, makes mail wait, not hang."""
    answers = Answers(*[StaleJudgement()] * 1000)
    answer = acceptance(Room(), answers).accept_soon(ACTOR, candidate())
    assert answer is not None
    with pytest.raises(StaleJudgement):
        await answer
    assert answers.refreshed < 100
