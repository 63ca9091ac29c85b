"""The limited process: what it finds, and that a message which breaks it breaks nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailward.adapters.scanners.examiner import Examiner, Unexaminable
from mailward.adapters.scanners.frames import Terms
from mailward.base.errors import Unavailable
from tests.adapters.scanners.conftest import PACKERS, attached, forwarded, zipped
from tests.scenarios.scanners import EICAR

PLAIN = b"From: a@example.org\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n"
TERMS = Terms("", 268_435_456, 2)


@pytest.fixture
async def examiner() -> AsyncIterator[Examiner]:
    made = Examiner(TERMS, 1, seconds=20)
    yield made
    await made.close()


async def test_what_a_message_holds(examiner: Examiner) -> None:
    """Subject, files and defects are told; a plain message matches no rule."""
    found = await examiner.examine(PLAIN)
    assert (found.subject, found.parts, found.defects, found.matches) == ("grüße", 1, (), ())
    found = await examiner.examine(attached(b"x", name="a.txt").replace(b"--b1--", b""))
    assert found.files == ("a.txt",)
    assert "boundary_not_closed" in found.defects


@pytest.mark.asvs("5.4.3")
@pytest.mark.parametrize("packer", ["none", *PACKERS])
async def test_eicar_wherever_it_hides(examiner: Examiner, packer: str) -> None:
    """The test file is found in a part, in every kind of archive, and in a message inside a message."""
    data = PACKERS[packer](EICAR) if packer != "none" else EICAR
    for message in (attached(data), attached(data, "image/jpeg", "photo.jpg"), forwarded(attached(data))):
        found = await examiner.examine(message)
        assert {(rule, severity) for rule, severity, _ in found.matches} == {("eicar_test_file", "malware")}


async def test_eicar_in_a_message_inside_an_archive(examiner: Examiner) -> None:
    """A mail file in a zip is read as a message, too."""
    found = await examiner.examine(attached(zipped({"old.eml": attached(EICAR)})))
    assert found.matches[0][2] == "file.bin/old.eml/file.bin"


async def test_a_bomb_is_bounded(examiner: Examiner) -> None:
    """A zip of zeros is given up early, within the terms, and the next message is read by the same child."""
    found = await examiner.examine(attached(zipped({"zeros": bytes(90_000_000)})))
    assert found.notes == ("archive_bomb",)
    assert (await examiner.examine(PLAIN)).subject == "grüße"
    assert examiner.replaced == 0


@pytest.mark.asvs("15.2.2")
async def test_a_message_that_needs_too_much_memory() -> None:
    """The child dies of the allocation, the message is unexaminable, and the next one is read by a new child."""
    examiner = Examiner(Terms("", 67_108_864, 5), 1, seconds=20)
    try:
        with pytest.raises(Unexaminable, match="memory"):
            await examiner.examine(b"Subject: x\r\n\r\n" + b"x" * 80_000_000)
        assert examiner.replaced == 1
        assert (await examiner.examine(PLAIN)).parts == 1
    finally:
        await examiner.close()


async def test_a_message_that_needs_too_much_time(tmp_path: Path) -> None:
    """Rules that would run for ever over a message are stopped, and the message is told apart from a clean one."""
    (tmp_path / "slow.yar").write_text(
        "rule slow { condition: filesize > 1000 and for all i in (0..filesize * 10000000) : (i >= 0) }"
    )
    examiner = Examiner(Terms(str(tmp_path), 268_435_456, 2), 1, seconds=30)
    try:
        found = await examiner.examine(PLAIN * 100)
        assert not found.complete
        assert (await examiner.examine(PLAIN)).complete
        assert examiner.replaced == 0
    finally:
        await examiner.close()


async def test_a_child_that_uses_up_its_time(examiner: Examiner) -> None:
    """One that computes past its CPU time is ended by the kernel, one that merely stands still by the deadline."""
    hasty = Examiner(TERMS, 1, seconds=0.3)
    await hasty.start()
    hasty._children._idle[0].process.send_signal(signal.SIGSTOP)
    with pytest.raises(Unexaminable, match="longer than"):
        await hasty.examine(PLAIN)
    assert (await hasty.examine(PLAIN)).parts == 1
    await hasty.close()
    await examiner.start()
    examiner._children._idle[0].process.send_signal(signal.SIGXCPU)
    with pytest.raises(Unexaminable, match="CPU time"):
        await examiner.examine(PLAIN)
    assert (await examiner.examine(PLAIN)).parts == 1


async def test_a_child_killed_from_outside_is_not_the_message_s_fault(examiner: Examiner) -> None:
    """When somebody kills the child, the message in it is read again by another one."""
    await examiner.start()
    child = examiner._children._idle[0].process
    os.kill(child.pid, signal.SIGKILL)
    assert (await examiner.examine(PLAIN)).parts == 1
    assert examiner.replaced == 1


async def test_several_at_once_wait_for_their_turn(examiner: Examiner) -> None:
    """One child answers many callers, each with the answer to its own message."""
    messages = [b"Subject: %d\r\n\r\nx\r\n" % n for n in range(40)]
    found = await asyncio.gather(*(examiner.examine(m) for m in messages))
    assert [f.subject for f in found] == [str(n) for n in range(40)]


async def test_rules_of_the_operator(tmp_path: Path) -> None:
    """Rules from the folder count; one without a severity of ours is malware; one that does not compile is named."""
    (tmp_path / "own.yar").write_text('rule mine { strings: $a = "forbidden fruit" condition: $a }')
    examiner = Examiner(Terms(str(tmp_path), 268_435_456, 2), 1, seconds=20)
    try:
        found = await examiner.examine(attached(b"a forbidden fruit"))
        assert found.matches == (("mine", "malware", "file.bin"),)
    finally:
        await examiner.close()
    (tmp_path / "own.yar").write_text("rule broken {")
    with pytest.raises(Unavailable) as caught:
        await Examiner(Terms(str(tmp_path), 268_435_456, 2), 1, seconds=20).start()
    assert "own.yar" in caught.value.detail


@pytest.mark.asvs("13.3.2", "15.2.2")
async def test_the_child_holds_no_secret_and_cannot_open_much(examiner: Examiner) -> None:
    """It has no environment of ours, few descriptors, no core, and limits on memory and size of files."""
    await examiner.start()
    pid = examiner._children._idle[0].process.pid
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        limits = {line[:26].strip(): line[26:].split()[0] for line in file.readlines()[1:]}
    assert limits["Max open files"] == "16"
    assert limits["Max core file size"] == "0"
    assert limits["Max file size"] == "0"
    assert limits["Max address space"].isdigit()
    with open(f"/proc/{pid}/environ", "rb") as raw:
        names = {entry.partition(b"=")[0].decode() for entry in raw.read().split(b"\0") if entry}
    assert not any(name.startswith("MAILWARD") for name in names)
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert not any(link.startswith("/") and link != "/dev/null" for link in links), links
    assert sum(link.startswith("socket:") for link in links) == 1
