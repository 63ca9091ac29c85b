"""What all sessions of a process may hold of content together, and how fast it has to come."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.edges.smtpd.config import Mode
from mailward.edges.smtpd.pace import Pace
from mailward.edges.smtpd.room import SMALL, Room
from tests.edges.smtpd.smtp_rig import Gate, Rig, Wire, config

LINES = (b"x" * 98 + b"\r\n") * 1000  # 100 kB
NO_ROOM = b"452 4.3.1 Too much mail is under way; please try again later\r\n"


def running(mode: Mode, octets: int, **server: int) -> Rig:
    """A listener whose sessions have room for so many octets."""
    rig = Rig(config(mode, lambda c: replace(c, tick=3600.0), **server), Gate())
    rig.room = Room(octets)
    return rig


def eventually(fact: Callable[[], bool]) -> None:
    """Wait until the server has read what was written to it."""
    end = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.005)


def begin(wire: Wire, size: int = 0) -> bytes:
    """MAIL and RCPT; the answer to MAIL."""
    answer = wire.ask(b"MAIL FROM:<a@example.org>" + (b" SIZE=%d" % size if size else b""))
    if answer.startswith(b"250"):
        assert wire.ask(b"RCPT TO:<b@example.net>").startswith(b"250")
    return answer


MODES = [Mode.STARTTLS, Mode.IMPLICIT, Mode.PRIVATE, Mode.MX]


@pytest.mark.parametrize("mode", MODES)
def test_content_beyond_the_room_is_refused_for_now(mode: Mode) -> None:
    """While others hold what there is, DATA and BDAT are read to their end and answered 452; the session goes on."""
    with running(mode, 400_000) as rig, rig.logged_in() as first, rig.logged_in() as second:
        room = rig.room
        assert room is not None
        begin(first)
        assert first.ask(b"DATA").startswith(b"354")
        first.say(LINES * 2)
        eventually(lambda: room.held >= 199_000)
        begin(second)
        assert second.ask(b"DATA").startswith(b"354")
        second.say(LINES * 3)
        second.say(b".\r\n")
        assert second.reply() == NO_ROOM
        begin(second)
        second.say(b"BDAT 300000 LAST\r\n" + LINES * 3)
        assert second.reply() == NO_ROOM
        begin(second)
        second.say(b"BDAT 50000\r\n" + LINES[:50_000])
        assert second.reply().startswith(b"250")
        second.say(b"BDAT 250000\r\n" + (LINES * 3)[50_000:])
        assert second.reply() == NO_ROOM
        assert second.ask(b"BDAT 0 LAST").startswith(b"503")
        assert 199_000 <= room.held <= 200_000
        first.say(b".\r\n")
        assert first.reply().startswith(b"250")
        begin(second)
        assert second.ask(b"DATA").startswith(b"354")
        second.say(LINES * 2 + b".\r\n")
        assert second.reply().startswith(b"250")
        assert room.held == 0
        assert [len(content) for _, content, _ in rig.gate.accepted] == [200_000, 200_000]


def test_small_messages_go_on() -> None:
    """Where large ones have filled the room, a message of 64 KiB still has the last quarter; one octet more has not."""
    with running(Mode.PRIVATE, 400_000) as rig, rig.logged_in() as first, rig.logged_in() as second:
        room = rig.room
        assert room is not None
        begin(first)
        assert first.ask(b"DATA").startswith(b"354")
        first.say(LINES * 3)
        eventually(lambda: room.held >= 299_000)
        for octets, answer in ((SMALL, b"250"), (SMALL + 1, b"452"), (SMALL, b"250")):
            begin(second)
            second.say(b"BDAT %d LAST\r\n" % octets + LINES[: octets - 2] + b"\r\n")
            assert second.reply().startswith(answer)


def test_what_is_announced_is_refused_before_it_comes() -> None:
    """SIZE beyond the room that is left is answered 452 at MAIL (RFC 1870 section 6.1); a smaller one is not."""
    with running(Mode.MX, 400_000) as rig, rig.logged_in() as wire:
        assert begin(wire, 300_001) == NO_ROOM
        assert begin(wire, 300_000).startswith(b"250")


def test_what_waits_for_its_commit_is_held() -> None:
    """Content counts until its message is answered, also when its sender has left."""
    with running(Mode.PRIVATE, 400_000) as rig:
        room = rig.room
        assert room is not None
        rig.gate.wait = asyncio.Event()
        with rig.logged_in() as wire:
            begin(wire)
            assert wire.ask(b"DATA").startswith(b"354")
            wire.say(LINES + b".\r\n")
            eventually(lambda: room.held == 100_000)
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            wire.sock.close()
        eventually(lambda: rig.listener is not None and rig.listener.sessions == 0)
        assert room.held == 100_000
        rig.loop.call_soon_threadsafe(rig.gate.wait.set)
        eventually(lambda: room.held == 0)


@pytest.mark.parametrize("last", [b"", b"RSET\r\n", b"\n"], ids=["leaves", "begins again", "bare LF"])
def test_what_is_given_up_is_held_no_more(last: bytes) -> None:
    """Content of a session that leaves, begins again or breaks the rules makes room at once."""
    with running(Mode.PRIVATE, 400_000) as rig, rig.logged_in() as wire:
        room = rig.room
        assert room is not None
        begin(wire)
        wire.say(b"BDAT 100000\r\n" + LINES)
        assert wire.reply().startswith(b"250")
        assert room.held == 100_000
        if last:
            wire.say(last)
        else:
            wire.sock.close()
        eventually(lambda: room.held == 0)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("octets", [100_000, 250_000])
def test_time_is_not_earned_in_advance(octets: int, chunked: bool) -> None:
    """However much has come, a session that then brings next to nothing is ended after one pause.

    Where much is held that pause is short, and 421 4.3.1 says why.
    """
    with running(Mode.MX, 400_000) as rig, rig.logged_in() as wire:
        room = rig.room
        assert room is not None
        begin(wire)
        if not chunked:
            assert wire.ask(b"DATA").startswith(b"354")
        wire.say((b"BDAT %d\r\n" % octets if chunked else b"") + (LINES * 3)[:octets])
        if chunked:
            assert wire.reply().startswith(b"250")
        eventually(lambda: room.held >= octets - 2)
        tight = octets > 200_000
        now = rig.loop.time()

        async def later(seconds: float) -> None:
            assert rig.listener is not None
            rig.listener.sweep(now + seconds)

        rig.call(later(1))
        rig.call(later(25 if tight else 119))
        assert room.held >= octets - 2
        steps = 0
        while room.held:  # an octet now and then, which is a sign of life and no more
            steps += 1
            held = room.held
            wire.say(b"BDAT 1\r\nx" if chunked else b"x")
            eventually(lambda: room.held > held)  # noqa: B023  # called before the loop goes on
            rig.call(later(25 + 10 * steps if tight else 119 + 60 * steps))
        assert steps in (1, 2)
        assert (b"421 4.3.1" if tight else b"421 4.4.2") in wire.rest()


def test_a_steady_sender_has_the_time_its_size_takes() -> None:
    """At the least rate a message may take as long as it is large, beside the time it began with."""
    pace = Pace(120.0, 0.0, 0)
    assert not any(pace.late(float(now), 1024 * now, 1024.0, 180.0) for now in range(1, 5000))
    slow = Pace(120.0, 0.0, 0)
    ended = next(now for now in range(1, 5000) if slow.late(float(now), 512 * now, 1024.0, 180.0))
    assert ended == 241


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 900_000)), max_size=60))
def test_no_more_than_there_is(steps: list[tuple[int, int]]) -> None:
    """Whatever sessions of two listeners ask for, the sums stay within both rooms and come back to nothing."""
    refused: list[int] = []
    whole = Room(1_000_000, lambda: refused.append(1))
    part = whole.part(500_000)
    rooms = [whole, whole, whole, part, part, part]
    held = [0] * 6
    for who, octets in steps:
        if rooms[who].hold(held[who], octets):
            held[who] = octets
        assert whole.held == sum(held) <= 1_000_000
        assert part.held == sum(held[3:]) <= 500_000
        assert sum(h for h in held if h > SMALL) <= 750_000
    for who, octets in enumerate(held):
        assert rooms[who].hold(octets, 0)
    assert whole.held == part.held == 0
