"""What was accepted goes out when the clients whose mail it is have their answers: listener, acceptance and sender."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from contextlib import ExitStack
from typing import Any

from mailward.core.messages.model import DeliveryState
from mailward.core.submission.model import Receipt
from mailward.edges.smtpd.config import Mode, submission
from mailward.protocol.smtp.model import SessionFacts, SmtpEnvelope
from tests.app.platform.test_acceptance import ACTOR, Answers, acceptance, candidate
from tests.edges.smtpd.smtp_rig import Gate, Rig
from tests.edges.workers.test_sender import World


class OneCommit(Answers):
    """A store that says nothing until it has so many, and then answers all in one turn, as one commit does."""

    def __init__(self, crowd: int) -> None:
        super().__init__()
        self._crowd = crowd
        self._numbers = itertools.count(1)
        self._held: list[asyncio.Future[Any]] = []

    def write_item(self, *_: Any, **__: Any) -> asyncio.Future[Any]:
        self._held.append(asyncio.get_running_loop().create_future())
        if len(self._held) == self._crowd:
            asyncio.get_running_loop().call_soon(self._commit, self._held)
        return self._held[-1]

    def _commit(self, held: list[asyncio.Future[Any]]) -> None:
        for future in held:
            future.set_result(Receipt(b"%016d" % next(self._numbers), (DeliveryState.LEASED,)))


class Accepting(Gate):
    """A gate behind which everything is accepted as it really is."""

    judge: Any = None

    def accept(self, principal: str, envelope: SmtpEnvelope, content: bytes, session: SessionFacts) -> Awaitable[str]:
        answer: Awaitable[str] | None = self.judge.accept_soon(ACTOR, candidate())
        assert answer is not None
        return answer


def test_the_sender_asks_whether_clients_talk_when_they_can() -> None:
    """All of them waited for one commit: at the question each has its answer, and counts as one who talks again."""
    gate = Accepting()
    rig = Rig(submission("private", "mx.test", Mode.PRIVATE, max_size=10_000), gate)
    asked: list[bool] = []

    async def made() -> Any:
        world = World()

        def talking() -> bool:
            asked.append(rig.floor.busy)
            return asked[-1]

        sender = world.sender(concurrency=10, talking=talking)
        gate.judge = acceptance(sender, OneCommit(4))  # type: ignore[arg-type]
        return sender

    with rig as running, ExitStack() as stack:
        sender = running.call(made())
        wires = [stack.enter_context(running.logged_in()) for _ in range(4)]
        for wire in wires:
            wire.envelope()
        for wire in wires:
            wire.say(b"x\r\n.\r\n")
        for wire in wires:
            assert wire.reply().startswith(b"250")

        async def stopped() -> int:
            return int(await sender.drain(5))

        assert running.call(stopped()) == 0
        for wire in wires:
            assert wire.ask(b"QUIT").startswith(b"221")
    assert asked == [True]
