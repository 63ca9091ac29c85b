"""Whose mail is judged anew when somebody's access or domains change: theirs, and nobody else's."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mailward.adapters.storage import concerns
from mailward.app.store import Store
from mailward.base import ids
from mailward.core.messages.pause import EPOCH as DOMAINS
from mailward.core.submission.model import StaleJudgement
from tests.core.conftest import WS, WS_ID, put, submission
from tests.raw import raw

OTHER = b"b" * 16
OTHER_ID = ids.encode("ws", OTHER)
ALIKE = b"c" * 15 + b"b"  # of the same share as the other
PLACES = {WS: WS_ID, OTHER: OTHER_ID, ALIKE: ids.encode("ws", ALIKE)}


async def _stands(store: Store, n: int, epochs: tuple[int, int], workspace: bytes = WS) -> bool:
    try:
        await put(store, submission(n, epochs=epochs), workspace)
    except StaleJudgement:
        return False
    return True


async def _act(store: Store, epoch: str, workspace: bytes | None) -> None:
    """Something changes in one workspace, or (None) for all."""
    if workspace is None:
        await store.system_write(lambda tx: tx.counters.bump(epoch))
    elif epoch == DOMAINS:
        await store.write(PLACES[workspace], lambda tx: tx.counters.bump(epoch, own=True))
    else:
        await store.write(PLACES[workspace], lambda tx: tx.revocations.bump())


@pytest.mark.claim("KEYS-2")
@pytest.mark.parametrize("epoch", concerns.EPOCHS)
async def test_what_others_change_leaves_a_judgement_standing(store: Store, epoch: str) -> None:
    """A message judged before another workspace's revocation or pause is accepted; before one of its own, or of all,
    it is not, and neither is any judged earlier still."""
    for _ in range(3):
        await _act(store, epoch, OTHER)
    assert await _stands(store, 1, (0, 0))
    assert not await _stands(store, 2, (0, 0), OTHER)
    await _act(store, epoch, WS)
    assert not await _stands(store, 3, (0, 0))
    now: Any = (4, 0) if epoch == concerns.EPOCHS[0] else (0, 4)
    assert await _stands(store, 4, now)
    await _act(store, epoch, OTHER)
    assert await _stands(store, 5, now)
    assert not await _stands(store, 6, (0, 0))
    await _act(store, epoch, None)
    assert not await _stands(store, 7, now)
    assert not await _stands(store, 8, now, OTHER)


async def test_a_judgement_from_the_future_does_not_stand(store: Store) -> None:
    """Epochs that the store does not have yet were read from another one."""
    assert not await _stands(store, 1, (1, 0))
    assert not await _stands(store, 2, (0, 1))


async def test_a_move_that_nobody_explains_is_everybodys(store: Store) -> None:
    """A version that knows of epochs alone moves one: what was judged before does not stand, after further moves of
    others neither."""
    await _act(store, "auth_epoch", OTHER)
    await raw(store, "UPDATE counters SET value = value + 1 WHERE name = 'auth_epoch'")
    assert not await _stands(store, 1, (1, 0))
    await _act(store, "auth_epoch", OTHER)
    assert not await _stands(store, 2, (1, 0))
    await _act(store, "auth_epoch", OTHER)
    assert await _stands(store, 3, (2, 0))
    assert not await _stands(store, 4, (1, 0))


async def test_however_acts_follow_each_other(store: Store) -> None:
    """Two hundred judgements among acts of three workspaces, of all, and of an older version: none stands that an act
    of its own or of all followed; each that no such act followed does, but for those of a neighbour in its share."""
    dice = random.Random(4)
    acts: list[tuple[int, bytes | None, bool]] = []  # which epoch, whose, explained

    def epochs(upto: int) -> tuple[int, int]:
        done = [kind for kind, _, _ in acts[:upto]]
        return done.count(0), done.count(1)

    for n in range(200):
        kind = dice.randrange(2)
        whose = dice.choice([WS, OTHER, ALIKE, WS, OTHER, ALIKE, OTHER, None])
        explained = dice.random() > 0.04
        if explained:
            await _act(store, concerns.EPOCHS[kind], whose)
        else:
            name = concerns.EPOCHS[kind]
            await raw(
                store,
                f"INSERT INTO counters(name, value) VALUES ('{name}', 1) "
                "ON CONFLICT(name) DO UPDATE SET value = counters.value + 1",
            )
        acts.append((kind, whose, explained))
        upto = dice.randrange(max(0, len(acts) - 6), len(acts) + 1)
        asker = dice.choice([WS, OTHER])
        since = acts[upto:]
        must_not = any(whose in (asker, None) or not explained for _, whose, explained in since)
        may_not = any(w is not None and w[-1:] == asker[-1:] for _, w, _ in since)
        stood = await _stands(store, n, epochs(upto), asker)
        assert stood is False if must_not else (stood or may_not), (n, asker, since)
