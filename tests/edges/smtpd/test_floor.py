"""Whether the clients of a worker have something to say, as real sessions leave it."""

from __future__ import annotations

import asyncio

from mailward.edges.smtpd.config import Mode, submission
from tests.edges.smtpd.smtp_rig import Gate, Rig


async def _event() -> asyncio.Event:
    return asyncio.Event()


def test_all_is_quiet_once_everybody_waits_for_an_answer() -> None:
    """Somebody who leaves without a message is one less who speaks; at the end nobody is counted."""
    rig = Rig(submission("private", "mx.test", Mode.PRIVATE, max_size=10_000), Gate())
    quiet: list[tuple[int, int]] = []
    floor = rig.floor

    def talking() -> bool:
        return floor.busy

    floor.on_quiet(lambda: quiet.append((floor.present, floor.waiting)))
    with rig as running:
        running.gate.wait = running.call(_event())
        with running.logged_in() as first, running.logged_in() as second:
            with running.logged_in() as third:
                assert third.ask(b"NOOP").startswith(b"250")
                first.envelope()
                second.envelope()
                assert talking()
                first.say(b"x\r\n.\r\n")
                second.say(b"x\r\n.\r\n")
                assert third.ask(b"NOOP").startswith(b"250")
                assert third.ask(b"QUIT").startswith(b"221")
                assert third.rest() == b""
            running.call(_until(lambda: quiet == [(2, 2)]))
            assert not talking()
            running.loop.call_soon_threadsafe(running.gate.wait.set)
            assert first.reply().startswith(b"250")
            assert second.reply().startswith(b"250")
            assert talking()
            first.ask(b"QUIT")
            second.ask(b"QUIT")
        running.call(_until(lambda: (floor.present, floor.waiting) == (0, 0)))
        assert quiet == [(2, 2)]
        running.call(_until(lambda: running.listener is not None and running.listener.sessions == 0))


def test_a_client_that_hangs_up_says_no_more() -> None:
    """It may still listen, so it is one that waits until its message is answered; nobody waits for it."""
    with Rig(submission("private", "mx.test", Mode.PRIVATE, max_size=10_000), Gate()) as running:
        running.gate.wait = running.call(_event())
        with running.logged_in() as wire:
            wire.envelope()
            wire.say(b"x\r\n.\r\n")
            running.call(_until(lambda: running.floor.waiting == 1))
        assert not running.floor.busy
        running.loop.call_soon_threadsafe(running.gate.wait.set)
        running.call(_until(lambda: (running.floor.present, running.floor.waiting) == (0, 0)))
        assert len(running.gate.accepted) == 1


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)
