"""Where a node says that others reach its doors, and how its heart bears what happens to the store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailward.app import nodes
from mailward.app.nodes import Heart, http_door, submission_door
from mailward.app.settings import Http, Server, Settings, Storage, Submission
from mailward.base.errors import Unavailable
from mailward.core.nodes.model import Answer


def test_a_door_is_named_as_others_reach_it() -> None:
    """Beyond loopback first, and over TLS there; a wildcard needs the machine's address; no role, no door."""
    http = Http(listen=["127.0.0.1:8080", "0.0.0.0:443"])
    submission = Submission(starttls=["[::]:587"])
    alone = Settings(http=http, submission=submission)
    assert (http_door(alone), submission_door(alone)) == ("http://127.0.0.1:8080", "")
    named = Settings(http=http, submission=submission, storage=Storage(address="2001:db8::7"))
    assert (http_door(named), submission_door(named)) == ("https://[2001:db8::7]:443", "[2001:db8::7]:587")
    sender = Settings(http=http, submission=submission, server=Server(roles=["sender"]))
    assert (http_door(sender), submission_door(sender)) == ("", "")


class Others:
    """The store as a heart knows it: beats are answered one after another, the last over and over."""

    def __init__(self, *answers: Answer | Exception | None) -> None:
        self._answers = list(answers)
        self.beaten = 0

    async def beat(self, slot: int, generation: int, *, roles: str, for_node: bool) -> Answer | None:
        self.beaten += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def give_back(self, generation: int, now: int) -> int:
        raise Unavailable("storage_unavailable", "Try again.")


WELL = Answer(resting=False, leads=True, nodes=2)


async def beating(others: Any, clock: Any, monkeypatch: pytest.MonkeyPatch, over: asyncio.Event) -> Heart:
    monkeypatch.setattr(nodes, "BEAT_SECONDS", 0.0)
    heart = Heart(others, slot=1, generation=1, roles="", first=False, clock=clock, lost=over.set)
    await heart.start()
    return heart


async def test_who_was_given_up_for_dead_ends_also_while_the_store_is_away(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can give nothing back then; but it sends nothing any more either, so another has to take its place."""
    over = asyncio.Event()
    heart = await beating(Others(WELL, None), clock, monkeypatch, over)
    async with asyncio.timeout(5):
        await over.wait()
    assert not heart.serving
    await heart.stop()


async def test_a_heart_outlives_the_fault_of_a_beat(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the store raised: one that stood still would have its worker taken for dead while it lives."""
    others = Others(WELL, Unavailable("away", "Try again."), RuntimeError("nobody foresaw this"), WELL)
    heart = await beating(others, clock, monkeypatch, asyncio.Event())
    async with asyncio.timeout(5):
        while others.beaten < 5:
            await asyncio.sleep(0)
    await heart.stop()
