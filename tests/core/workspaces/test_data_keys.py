"""Data keys: one a workspace and day, raced for, rotated, destroyed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailward.adapters.vault.vault import Vault
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.workspaces.data_keys import DataKeys, destroy_data_keys
from mailward.core.workspaces.model import day_of
from mailward.core.workspaces.rotate import retire, rewrap_page, rotate
from mailward.policy.access import Actor, Permission
from tests.raw import raw

A, B = b"a" * 16, b"b" * 16
WS = WorkspaceId(ids.encode("ws", A))
MANAGER = Actor(WS, "session", "usr_x", frozenset(Permission))
OPERATOR = Actor(WorkspaceId(""), "cli", "cli", frozenset(Permission))
NONCE = bytes(12)


@pytest.fixture
def vault(tmp_path: Path, clock: Any, entropy: Any) -> Vault:
    return Vault(tmp_path / "keys", entropy, now=clock.now())


def _keys(store: Store, vault: Vault, entropy: Any) -> DataKeys:
    return DataKeys(store, vault.service, entropy)


@pytest.mark.claim("REST-2")
async def test_a_day_has_one_key_and_it_is_cached(store: Store, vault: Vault, entropy: Any) -> None:
    """The first use makes it, later ones find it at hand; other days and workspaces have others."""
    keys = _keys(store, vault, entropy)
    assert keys.cached(A, 20000) is None
    first = await keys.seal_key(A, 20000)
    assert keys.cached(A, 20000) is first
    assert (first.day, first.version) == (20000, 1)
    sealed = first.aead.encrypt(NONCE, b"content", b"")
    again = await _keys(store, vault, entropy).open_key(A, 20000, 1)
    assert again.aead.decrypt(NONCE, sealed, b"") == b"content"
    for other in (await keys.seal_key(A, 20001), await keys.seal_key(B, 20000)):
        assert other.aead.encrypt(NONCE, b"content", b"") != sealed


async def test_two_processes_that_race_end_with_one_key(store: Store, vault: Vault, entropy: Any) -> None:
    """Whoever comes second reads what the first wrote."""
    pair = [_keys(store, vault, entropy) for _ in range(4)]
    found = await asyncio.gather(*(k.seal_key(A, 20000) for k in pair))
    assert len({k.aead.encrypt(NONCE, b"x", b"") for k in found}) == 1


@pytest.mark.claim("REST-2")
async def test_destroying_a_day_ends_it_for_good(store: Store, vault: Vault, clock: Any, entropy: Any) -> None:
    """Content of those days no longer opens, no key is made for them again, later days go on; the act is audited."""
    keys = _keys(store, vault, entropy)
    for day in (20000, 20001, 20002):
        await keys.seal_key(A, day)
    await keys.seal_key(B, 20000)
    gone = await store.write(
        WS, lambda tx: destroy_data_keys(tx, MANAGER, through_day=20001, reason="retention", now=clock.now())
    )
    assert gone == 2
    keys.forget()
    for day in (20000, 20001):
        with pytest.raises(NotFound):
            await keys.open_key(A, day, 1)
        with pytest.raises(NotFound):
            await keys.seal_key(A, day)
    await keys.open_key(A, 20002, 1)
    await keys.open_key(B, 20000, 1)
    assert await raw(store, "SELECT act FROM t_audit") == [("data_keys.destroyed",)]
    assert await store.system_read(lambda tx: tx.revocations.current()) == 1


async def test_destroying_needs_the_permission(store: Store, clock: Any) -> None:
    """A sending key does not erase."""
    sender = Actor(WS, "key", "key_x", frozenset({Permission.MESSAGE_SEND}))
    with pytest.raises(Forbidden):
        await store.write(WS, lambda tx: destroy_data_keys(tx, sender, through_day=None, reason="x", now=clock.now()))


async def test_a_row_moved_to_another_place_does_not_open(store: Store, vault: Vault, entropy: Any) -> None:
    """A wrapped key is bound to its workspace, day and version."""
    from mailward.base.errors import Corrupt

    await _keys(store, vault, entropy).seal_key(A, 20000)

    await raw(store, "UPDATE t_data_keys SET workspace = ?", B)
    with pytest.raises(Corrupt):
        await _keys(store, vault, entropy).open_key(B, 20000, 1)


@pytest.mark.claim("REST-2")
async def test_rotation_while_mail_flows_loses_nothing(store: Store, vault: Vault, clock: Any, entropy: Any) -> None:
    """Old content opens before, during and after; the old version retires once nothing needs it, not before.

    A secret file or a kept backup that needs it counts as well as a data key.
    """
    keys = _keys(store, vault, entropy)
    today = day_of(clock.now())
    sealed = {}
    for n in range(5):
        key = await keys.seal_key(A, today + n)
        sealed[today + n] = key.aead.encrypt(NONCE, b"content %d" % n, b"")
    version = await store.system_write(lambda tx: rotate(tx, OPERATOR, vault.service, now=clock.now()))
    await keys.seal_key(B, today)
    with pytest.raises(Conflict):
        await store.system_write(lambda tx: retire(tx, OPERATOR, vault.service, 1, needed=(), now=clock.now()))
    count, more = await store.system_write(lambda tx: rewrap_page(tx, vault.service, version, None))
    assert (count, more) == (5, None)
    for needed in ({1}, {1, version}):
        with pytest.raises(Conflict, match="kept backup"):
            await store.system_write(
                lambda tx, n=needed: retire(tx, OPERATOR, vault.service, 1, needed=n, now=clock.now())  # type: ignore[misc]
            )
    assert 1 in vault.service.versions
    await store.system_write(lambda tx: retire(tx, OPERATOR, vault.service, 1, needed={version}, now=clock.now()))
    assert vault.service.versions == [version]
    fresh = _keys(store, vault, entropy)
    for n in range(5):
        opened = await fresh.open_key(A, today + n, 1)
        assert opened.aead.decrypt(NONCE, sealed[today + n], b"") == b"content %d" % n


def test_a_day_begins_at_midnight_utc(clock: Any) -> None:
    """Days count from 1970-01-01."""
    assert day_of(clock.now()) == 20516
    assert day_of(clock.now() + timedelta(hours=20)) == 20517
