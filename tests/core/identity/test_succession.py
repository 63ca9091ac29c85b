"""A successor works from now on, its predecessor until the grace is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailward.app.store import Store
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from mailward.base.ids import WorkspaceId
from mailward.core.identity.credentials import Wish, create_key, create_network, create_smtp, parse_networks, revoke_key
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import Issued
from mailward.core.identity.succession import rotate
from mailward.policy.access import Actor, Permission, Scope

WS = WorkspaceId("ws_" + "0" * 25 + "1")
OTHER = WorkspaceId("ws_" + "0" * 25 + "2")
OWNER = Actor(WS, "session", "usr_" + "0" * 25 + "9", frozenset(Permission))


async def _make(store: Store, verb: Any, wish: Wish, clock: Any, entropy: Any) -> Issued:
    issued: Issued = await store.write(WS, lambda tx: verb(tx, OWNER, wish, now=clock.now(), entropy=entropy))
    return issued


async def _rotate(store: Store, id: str, clock: Any, entropy: Any, actor: Actor = OWNER, **kw: Any) -> Issued:
    return await store.write(actor.workspace, lambda tx: rotate(tx, actor, id, now=clock.now(), entropy=entropy, **kw))


def _secret(issued: Issued) -> str:
    assert issued.secret is not None
    return issued.secret.reveal()


@pytest.mark.claim("KEYS-2")
async def test_both_keys_work_in_the_grace_and_only_the_new_after(store: Store, clock: Any, entropy: Any) -> None:
    """The successor has the scopes, domains and networks of the old one; the old one ends a day later."""
    wish = Wish("ci", frozenset({Scope.SEND, Scope.READ}), frozenset({"example.com"}), parse_networks(["192.0.2.0/24"]))
    old = await _make(store, create_key, wish, clock, entropy)
    door = Doorkeeper(store)
    before = await door.authenticate_key(_secret(old), "192.0.2.1", now=clock.now())
    new = await _rotate(store, old.credential.id, clock, entropy)
    await door.refresh()
    after = await door.authenticate_key(_secret(new), "192.0.2.1", now=clock.now())
    assert (after.permissions, after.domains) == (before.permissions, before.domains)
    with pytest.raises(Forbidden):
        await door.authenticate_key(_secret(new), "198.51.100.1", now=clock.now())
    clock.move(hours=23, minutes=59)
    assert (await door.authenticate_key(_secret(old), "192.0.2.1", now=clock.now())).id == old.credential.id
    clock.move(minutes=1)
    with pytest.raises(Unauthenticated):
        await door.authenticate_key(_secret(old), "192.0.2.1", now=clock.now())
    assert (await door.authenticate_key(_secret(new), "192.0.2.1", now=clock.now())).id == new.credential.id
    kept = await store.read(WS, lambda tx: tx.credentials.get(old.credential.id))
    assert kept is not None
    assert kept.successor == new.credential.id


@pytest.mark.claim("KEYS-2")
async def test_smtp_passwords_and_networks_rotate_too(store: Store, clock: Any, entropy: Any) -> None:
    """A password has a successor with a user name of its own; a network is handed to another credential."""
    smtp = await _make(store, create_smtp, Wish("printer"), clock, entropy)
    new = await _rotate(store, smtp.credential.id, clock, entropy, grace=timedelta(hours=1))
    door = Doorkeeper(store)
    for issued in (smtp, new):
        actor = await door.authenticate_smtp(issued.credential.id, _secret(issued), "192.0.2.1", now=clock.now())
        assert actor.id == issued.credential.id
    clock.move(hours=1)
    with pytest.raises(Unauthenticated):
        await door.authenticate_smtp(smtp.credential.id, _secret(smtp), "192.0.2.1", now=clock.now())
    relay = await _make(store, create_network, Wish("relay", networks=parse_networks(["10.0.0.0/8"])), clock, entropy)
    after = await _rotate(store, relay.credential.id, clock, entropy)
    assert (after.secret, after.credential.networks) == (None, relay.credential.networks)


async def test_without_grace_the_old_one_ends_now(store: Store, clock: Any, entropy: Any) -> None:
    """And revoking within a grace ends it at once as ever."""
    old = await _make(store, create_key, Wish("a"), clock, entropy)
    new = await _rotate(store, old.credential.id, clock, entropy, grace=timedelta())
    door = Doorkeeper(store)
    with pytest.raises(Unauthenticated):
        await door.authenticate_key(_secret(old), "192.0.2.1", now=clock.now())
    newest = await _rotate(store, new.credential.id, clock, entropy)
    await store.write(WS, lambda tx: revoke_key(tx, OWNER, new.credential.id, now=clock.now()))
    await door.refresh()
    with pytest.raises(Unauthenticated):
        await door.authenticate_key(_secret(new), "192.0.2.1", now=clock.now())
    assert await door.authenticate_key(_secret(newest), "192.0.2.1", now=clock.now())


async def test_an_end_comes_forward_never_back(store: Store, clock: Any, entropy: Any) -> None:
    """A key that ends in an hour still does; an end within the grace is not inherited, a later one is."""
    soon = await _make(store, create_key, Wish("a", expires=clock.now() + timedelta(hours=1)), clock, entropy)
    late = await _make(store, create_key, Wish("b", expires=clock.now() + timedelta(days=90)), clock, entropy)
    heir = await _rotate(store, soon.credential.id, clock, entropy)
    kept = await store.read(WS, lambda tx: tx.credentials.get(soon.credential.id))
    assert kept is not None
    assert (kept.expires, heir.credential.expires) == (soon.credential.expires, None)
    assert (await _rotate(store, late.credential.id, clock, entropy)).credential.expires == late.credential.expires


async def test_what_cannot_be_rotated(store: Store, clock: Any, entropy: Any) -> None:
    """Not twice, not when paused or ended, not by a stranger, and not with a grace of a year."""
    old = await _make(store, create_key, Wish("a"), clock, entropy)
    id = old.credential.id
    with pytest.raises(Invalid, match="bad_grace"):
        await _rotate(store, id, clock, entropy, grace=timedelta(days=365))
    with pytest.raises(NotFound):
        await _rotate(store, id, clock, entropy, Actor(OTHER, "session", "usr_x", frozenset(Permission)))
    with pytest.raises(Forbidden):
        await _rotate(store, id, clock, entropy, Actor(WS, "key", "key_x"))
    await store.system_write(lambda tx: tx.credentials.pause(id, "why", clock.now()))
    with pytest.raises(Conflict, match="credential_paused"):
        await _rotate(store, id, clock, entropy)
    await store.write(WS, lambda tx: tx.credentials.release(id, clock.now()))
    await _rotate(store, id, clock, entropy)
    with pytest.raises(Conflict, match="rotated_already"):
        await _rotate(store, id, clock, entropy)
    await store.write(WS, lambda tx: revoke_key(tx, OWNER, id, now=clock.now()))
    with pytest.raises(Conflict, match="credential_ended"):
        await _rotate(store, id, clock, entropy)
