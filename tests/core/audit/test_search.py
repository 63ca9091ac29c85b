"""Searching the log, and the table that is made of what was found."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from mailward.app.store import Store, Tx
from mailward.base.ids import WorkspaceId
from mailward.core.audit.csv_table import to_csv
from mailward.core.audit.model import Entry
from mailward.core.audit.read import list_entries
from mailward.policy.access import Actor, Permission
from tests.conftest import MovingClock
from tests.core.conftest import WS_ID

pytestmark = pytest.mark.claim("LOG-1")

ME = Actor(WorkspaceId(WS_ID), "session", "usr_me", frozenset(Permission))
OTHER = Actor(WorkspaceId(WS_ID), "key", "key_1", frozenset(Permission))


async def _append(actor: Actor, act: str, target: str, clock: MovingClock, tx: Tx) -> None:
    await tx.audit.append(actor, act, target, {"n": "1"}, now=clock.now())


@pytest.fixture
async def filled(store: Store, clock: MovingClock) -> Store:
    for actor, act, target in (
        (ME, "domain.added", "dom_1"),
        (OTHER, "domain.removed", "dom_1"),
        (ME, "domains.other", "dom_2"),
        (OTHER, "key.made", "key_2"),
    ):
        await store.write(WS_ID, partial(_append, actor, act, target, clock))
        clock.move(hours=1)
    return store


async def found(store: Store, **asked: Any) -> list[str]:
    entries = await store.read(WS_ID, lambda tx: list_entries(tx, ME, **asked))
    return [e.act for e in entries]


@pytest.mark.asvs("16.2.1")
async def test_each_filter_finds_what_it_says(filled: Store, clock: MovingClock) -> None:
    """By who acted, by what was acted on, by act or its whole area, by time, and all of them at once."""
    assert await found(filled, by="usr_me") == ["domains.other", "domain.added"]
    assert await found(filled, target="dom_1") == ["domain.removed", "domain.added"]
    assert await found(filled, act="domain.added") == ["domain.added"]
    assert await found(filled, act="domain.") == ["domain.removed", "domain.added"]
    assert await found(filled, since=clock.now() - timedelta(hours=2)) == ["key.made", "domains.other"]
    assert await found(filled, by="key_1", target="dom_1", act="domain.") == ["domain.removed"]
    assert await found(filled, by="usr_nobody") == []


async def test_a_page_goes_on_where_the_last_one_ended(filled: Store) -> None:
    """Below an index, newest first; a filter keeps holding on the next page."""
    assert await found(filled, limit=2) == ["key.made", "domains.other"]
    assert await found(filled, limit=2, before=2) == ["domain.removed", "domain.added"]
    assert await found(filled, limit=1, by="usr_me", before=2) == ["domain.added"]


@pytest.mark.asvs("1.1.2", "1.3.3")
def test_no_cell_is_a_formula(clock: MovingClock) -> None:
    """What a spreadsheet would compute has an apostrophe before it; what was erased says so; quotes survive."""
    targets = ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "plain", 'a "quoted", one')
    entries = [Entry(n, f"aud_{n}", clock.now(), "key", "k", "a.b", t, None, b"") for n, t in enumerate(targets)]
    rows = list(csv.DictReader(io.StringIO(to_csv(entries))))
    assert [r["target"] for r in rows] == [*(f"'{t}" for t in targets[:5]), *targets[5:]]
    assert {r["facts"] for r in rows} == {"(erased)"}


async def test_an_entry_says_from_where_how_it_ended_and_why(store: Store, clock: MovingClock) -> None:
    """The address of whoever acts stands with the facts, beside the leaf; an act that names one itself keeps that."""
    away = ME.came_from("192.0.2.7")
    assert away == ME, "an address makes nobody another one"

    async def append(tx: Tx) -> None:
        await tx.audit.append(away, "key.made", "key_2", now=clock.now())
        await tx.audit.append(
            away, "session.refused", "usr_me", {"address": "::1", "reason": "network"}, now=clock.now()
        )
        await tx.audit.append(ME, "domain.added", "dom_1", now=clock.now())

    await store.write(WS_ID, append)
    told = [(e.address, e.outcome, e.reason) for e in await store.read(WS_ID, lambda tx: list_entries(tx, ME))]
    assert told == [("", "done", ""), ("::1", "refused", "network"), ("192.0.2.7", "done", "")]
    leaves = [e.leaf for e in await store.read(WS_ID, lambda tx: list_entries(tx, ME))]
    assert not any(b"192.0.2.7" in leaf for leaf in leaves)
