"""Credentials: made, shown once, found, refused, revoked."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from mailward.base.ids import WorkspaceId
from mailward.core.identity import tokens
from mailward.core.identity.credentials import (
    Wish,
    create_key,
    create_network,
    create_smtp,
    list_keys,
    list_smtp,
    parse_networks,
    revoke_key,
)
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import Issued
from mailward.core.identity.succession import rotate
from mailward.policy.access import Actor, Permission, Scope
from tests.raw import dump, raw

WS = WorkspaceId("ws_" + "0" * 25 + "1")
OTHER = WorkspaceId("ws_" + "0" * 25 + "2")
MANAGER = Actor(WS, "session", "usr_" + "0" * 25 + "9", frozenset(Permission))


async def _issue(store: Store, verb: Any, wish: Wish, clock: Any, entropy: Any, actor: Actor = MANAGER) -> Issued:
    issued = await store.write(actor.workspace, lambda tx: verb(tx, actor, wish, now=clock.now(), entropy=entropy))
    assert isinstance(issued, Issued)
    return issued


def _token(issued: Issued) -> str:
    assert issued.secret is not None
    return issued.secret.reveal()


@pytest.mark.asvs("8.2.1")
@pytest.mark.claim("KEYS-1")
async def test_a_key_opens_its_workspace_with_its_scopes(store: Store, clock: Any, entropy: Any) -> None:
    """The token proves an actor with the scope's permissions and the key's domains, and nothing more."""
    wish = Wish("ci", frozenset({Scope.SEND}), domains=frozenset({"example.com"}))
    issued = await _issue(store, create_key, wish, clock, entropy)
    door = Doorkeeper(store)
    actor = await door.authenticate_key(_token(issued), "192.0.2.1", now=clock.now())
    assert (actor.workspace, actor.kind, actor.id) == (WS, "key", issued.credential.id)
    assert actor.permissions == {Permission.MESSAGE_SEND}
    assert actor.domains == frozenset({"example.com"})
    again = await door.authenticate_key(_token(issued), "192.0.2.1", now=clock.now())
    assert again is actor


@pytest.mark.asvs("13.3.1")
@pytest.mark.claim("KEYS-1")
async def test_a_token_is_nowhere_in_the_store(store: Store, clock: Any, entropy: Any) -> None:
    """No table holds a token, or more of it than its hint; the document pattern finds it, its checksum proves it."""
    issued = await _issue(store, create_key, Wish("k"), clock, entropy)
    smtp = await _issue(store, create_smtp, Wish("s"), clock, entropy)

    text = await dump(store)
    for token in (_token(issued), _token(smtp)):
        assert token[8:] not in text
        assert re.fullmatch(tokens.TOKEN_PATTERN, token)
        assert tokens.hash_token(token[:-1] + ("0" if token[-1] != "0" else "1"), token[:4]) is None
        assert token not in repr(issued) + repr(smtp)


async def test_smtp_needs_its_own_user_name(store: Store, clock: Any, entropy: Any) -> None:
    """User name and password belong together, and a password is no API key."""
    one = await _issue(store, create_smtp, Wish("one"), clock, entropy)
    two = await _issue(store, create_smtp, Wish("two"), clock, entropy)
    door = Doorkeeper(store)
    actor = await door.authenticate_smtp(one.credential.username, _token(one), "::1", now=clock.now())
    assert actor.kind == "smtp_credential"
    with pytest.raises(Unauthenticated):
        await door.authenticate_smtp(two.credential.username, _token(one), "::1", now=clock.now())
    with pytest.raises(Unauthenticated):
        await door.authenticate_key(_token(one), "::1", now=clock.now())


@pytest.mark.claim("KEYS-2")
async def test_revocation_is_seen_at_once_here_and_after_a_look_elsewhere(
    store: Store, clock: Any, entropy: Any
) -> None:
    """The revoking process refuses at once, another one after its next look at the epoch."""
    issued = await _issue(store, create_key, Wish("k"), clock, entropy)
    here, elsewhere = Doorkeeper(store), Doorkeeper(store)
    for door in (here, elsewhere):
        await door.authenticate_key(_token(issued), "::1", now=clock.now())
    before = elsewhere.epoch
    await store.write(WS, lambda tx: revoke_key(tx, MANAGER, issued.credential.id, now=clock.now()))
    for door in (here, elsewhere):
        assert await door.refresh()
        with pytest.raises(Unauthenticated):
            await door.authenticate_key(_token(issued), "::1", now=clock.now())
    assert elsewhere.epoch == before + 1
    assert not await elsewhere.refresh()


async def test_a_look_up_that_a_revocation_overtakes_is_done_again(store: Store, clock: Any, entropy: Any) -> None:
    """What was read before a revocation is never believed at the epoch after it."""
    issued = await _issue(store, create_key, Wish("k"), clock, entropy)
    door = Doorkeeper(store)
    reads = 0

    class Overtaken:
        system_write = store.system_write

        async def system_read(self, verb: Any) -> Any:
            nonlocal reads
            found = await store.system_read(verb)
            reads += 1
            if reads == 1:
                await store.write(WS, lambda tx: revoke_key(tx, MANAGER, issued.credential.id, now=clock.now()))
                door._adopt(await store.system_read(lambda tx: tx.revocations.current()))
            return found

    door._store = Overtaken()
    with pytest.raises(Unauthenticated):
        await door.authenticate_key(_token(issued), "::1", now=clock.now())
    assert reads == 2


@pytest.mark.claim("KEYS-2")
async def test_an_unlisted_network_is_forbidden_and_audited(store: Store, clock: Any, entropy: Any) -> None:
    """A good key from elsewhere gets Forbidden and one audit entry a minute; from a listed network it works."""
    wish = Wish("k", networks=parse_networks(["192.0.2.0/24", "2001:db8::/32"]))
    issued = await _issue(store, create_key, wish, clock, entropy)
    door = Doorkeeper(store)
    for good in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"):
        await door.authenticate_key(_token(issued), good, now=clock.now())
    for _ in range(3):
        with pytest.raises(Forbidden):
            await door.authenticate_key(_token(issued), "198.51.100.1", now=clock.now())
    acts = await raw(store, "SELECT act FROM t_audit ORDER BY seq")
    assert acts.count(("credential.refused",)) == 1


async def test_an_expired_key_is_refused(store: Store, clock: Any, entropy: Any) -> None:
    """Good until its expiry, refused from then on, cached or not."""
    wish = Wish("k", expires=clock.now() + timedelta(hours=1))
    issued = await _issue(store, create_key, wish, clock, entropy)
    door = Doorkeeper(store)
    await door.authenticate_key(_token(issued), "::1", now=clock.now())
    with pytest.raises(Unauthenticated):
        await door.authenticate_key(_token(issued), "::1", now=clock.move(hours=1))


async def test_a_network_credential_stands_for_its_addresses(store: Store, clock: Any, entropy: Any) -> None:
    """The narrowest network wins; outside of all there is nobody; a revoked one leaves the list."""
    wide = await _issue(store, create_network, Wish("wide", networks=parse_networks(["10.0.0.0/8"])), clock, entropy)
    thin = await _issue(store, create_network, Wish("thin", networks=parse_networks(["10.1.2.3"])), clock, entropy)
    door = Doorkeeper(store)
    assert (await door.authenticate_network("10.1.2.3", now=clock.now())).id == thin.credential.id
    assert (await door.authenticate_network("10.1.2.4", now=clock.now())).id == wide.credential.id
    with pytest.raises(Unauthenticated):
        await door.authenticate_network("192.0.2.1", now=clock.now())
    await store.write(WS, lambda tx: revoke_key(tx, MANAGER, thin.credential.id, now=clock.now()))
    await door.refresh()
    assert (await door.authenticate_network("10.1.2.3", now=clock.now())).id == wide.credential.id


async def test_while_credentials_change_a_network_is_known(store: Store, clock: Any, entropy: Any) -> None:
    """Between a changed epoch and the list that goes with it, the former list answers; before the first, nobody can
    say, which is not the same as nobody."""
    net = await _issue(store, create_network, Wish("net", networks=parse_networks(["10.0.0.0/8"])), clock, entropy)
    key = await _issue(store, create_key, Wish("k"), clock, entropy)
    door = Doorkeeper(store)
    with pytest.raises(Unavailable):
        door.known_network("10.1.2.3", now=clock.now())
    with pytest.raises(Unauthenticated):
        await door.authenticate_network("192.0.2.1", now=clock.now())
    await store.write(WS, lambda tx: revoke_key(tx, MANAGER, key.credential.id, now=clock.now()))
    assert await door.refresh()
    assert door.known_network("10.1.2.3", now=clock.now()).id == net.credential.id
    await store.write(WS, lambda tx: revoke_key(tx, MANAGER, net.credential.id, now=clock.now()))
    assert await door.refresh()
    with pytest.raises(Unauthenticated):
        await door.authenticate_network("10.1.2.3", now=clock.now())
    with pytest.raises(Unauthenticated):
        door.known_network("10.1.2.3", now=clock.now())


async def test_uses_are_noted_lazily(store: Store, clock: Any, entropy: Any) -> None:
    """Last use is written when asked, in one go, and shows in the list."""
    issued = await _issue(store, create_key, Wish("k"), clock, entropy)
    door = Doorkeeper(store)
    await door.authenticate_key(_token(issued), "::1", now=clock.now())
    assert await door.note_uses() == 1
    assert await door.note_uses() == 0
    (listed,) = await store.read(WS, lambda tx: list_keys(tx, MANAGER))
    assert listed.last_used == clock.now()


@pytest.mark.asvs("8.2.2")
@pytest.mark.claim("AUTHZ-2")
async def test_another_workspaces_key_does_not_exist(store: Store, clock: Any, entropy: Any) -> None:
    """Listing shows one's own; revoking another's answers NotFound and leaves it working."""
    issued = await _issue(store, create_key, Wish("k"), clock, entropy)
    stranger = Actor(OTHER, "session", "usr_x", frozenset(Permission))
    assert await store.read(OTHER, lambda tx: list_keys(tx, stranger)) == []
    with pytest.raises(NotFound):
        await store.write(OTHER, lambda tx: revoke_key(tx, stranger, issued.credential.id, now=clock.now()))
    await Doorkeeper(store).authenticate_key(_token(issued), "::1", now=clock.now())


@pytest.mark.asvs("8.2.1")
async def test_nobody_hands_out_more_than_they_hold(store: Store, clock: Any, entropy: Any) -> None:
    """A key that may manage keys but is bound to a domain makes only keys bound to it; a read key makes none."""
    bound = Actor(WS, "key", ids.encode("key", b"x" * 16), frozenset(Permission), domains=frozenset({"a.test"}))
    narrow = Actor(WS, "key", ids.encode("key", b"y" * 16), frozenset({Permission.KEY_CHANGE}))
    reader = Actor(WS, "key", ids.encode("key", b"z" * 16), frozenset({Permission.MESSAGE_READ}))
    good = Wish("k", domains=frozenset({"a.test"}))
    await _issue(store, create_key, good, clock, entropy, bound)
    for actor, wish in ((bound, Wish("k")), (narrow, good), (reader, good)):
        with pytest.raises(Forbidden):
            await _issue(store, create_key, wish, clock, entropy, actor)


@pytest.mark.asvs("8.2.1")
async def test_a_bound_key_makes_no_free_one(store: Store, clock: Any, entropy: Any) -> None:
    """Bound to networks it makes credentials for parts of them only, and one that ends makes none that outlasts it; nor
    does it outlast itself by a successor."""
    networks, end = parse_networks(["192.0.2.0/24", "2001:db8::/32"]), clock.now() + timedelta(minutes=10)
    here = await _issue(store, create_key, Wish("here", networks=networks), clock, entropy)
    brief = await _issue(store, create_key, Wish("brief", expires=end), clock, entropy)
    both = await _issue(store, create_key, Wish("both", networks=networks, expires=end), clock, entropy)
    holds = {name: Actor(WS, "key", issued.credential.id, frozenset(Permission))
             for name, issued in (("here", here), ("brief", brief), ("both", both))}  # fmt: skip
    less = parse_networks(["192.0.2.128/25", "2001:db8:1::/48"])
    for create in (create_key, create_smtp):
        for name, wish in (
            ("here", Wish("x", networks=less)),
            ("here", Wish("x", networks=networks)),
            ("brief", Wish("x", expires=end)),
            ("both", Wish("x", networks=less, expires=end)),
        ):
            await _issue(store, create, wish, clock, entropy, holds[name])
        for name, wish in (
            ("here", Wish("x")),
            ("here", Wish("x", networks=parse_networks(["192.0.2.0/23"]))),
            ("here", Wish("x", networks=(*less, *parse_networks(["::/0"])))),
            ("here", Wish("x", networks=parse_networks(["0.0.0.0/0"]))),
            ("brief", Wish("x")),
            ("brief", Wish("x", expires=end + timedelta(seconds=1))),
            ("both", Wish("x", networks=less)),
            ("both", Wish("x", expires=end)),
        ):
            with pytest.raises(Forbidden):
                await _issue(store, create, wish, clock, entropy, holds[name])
    for name, issued in (("brief", brief), ("here", brief)):
        with pytest.raises(Forbidden):
            await store.write(
                WS,
                lambda tx, name=name, issued=issued: rotate(  # type: ignore[misc]
                    tx, holds[name], issued.credential.id, now=clock.now(), entropy=entropy
                ),
            )
    await store.write(WS, lambda tx: rotate(tx, holds["here"], here.credential.id, now=clock.now(), entropy=entropy))


@pytest.mark.parametrize("text", ["", "example.com", "192.0.2.1/24", "::ffff:10.0.0.0/104", "10.0.0.0/33"])
def test_bad_networks_are_refused(text: str) -> None:
    """Host bits, names, mapped forms."""
    with pytest.raises(Invalid):
        parse_networks([text])


async def test_smtp_credentials_are_listed_apart(store: Store, clock: Any, entropy: Any) -> None:
    """Keys and SMTP credentials have a list each, newest first, and pages go on below the last id."""
    made = []
    for i in range(3):
        clock.move(seconds=1)
        made.append(await _issue(store, create_smtp, Wish(f"s{i}"), clock, entropy))
    await _issue(store, create_key, Wish("k"), clock, entropy)
    first = await store.read(WS, lambda tx: list_smtp(tx, MANAGER, limit=2))
    assert [c.name for c in first] == ["s2", "s1"]
    rest = await store.read(WS, lambda tx: list_smtp(tx, MANAGER, before=first[-1].id, limit=2))
    assert [c.name for c in rest] == ["s0"]


@pytest.mark.asvs("16.2.5")
def test_no_module_of_identity_logs() -> None:
    """A token cannot reach a log from where it is handled: nothing there writes one."""
    import mailward.core.identity as package

    for file in Path(package.__file__ or "").parent.glob("*.py"):
        text = file.read_text()
        assert "import logging" not in text
        assert "print(" not in text


class Counted:
    """A store that counts the transactions it is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.transactions = 0

    def __getattr__(self, name: str) -> Any:
        self.transactions += 1
        return getattr(self._store, name)


@pytest.mark.claim("AUTHN-9")
async def test_a_key_in_use_costs_no_transaction_until_the_epoch_moves(store: Store, clock: Any, entropy: Any) -> None:
    """Of a hundred authentications the first reads; after a revocation elsewhere one look at the epoch ends them."""
    issued = await _issue(store, create_key, Wish("ci"), clock, entropy)
    counted = Counted(store)
    door = Doorkeeper(counted)
    for _ in range(100):
        await door.authenticate_key(_token(issued), "192.0.2.1", now=clock.now())
    assert counted.transactions == 1
    await store.write(WS, lambda tx: revoke_key(tx, MANAGER, issued.credential.id, now=clock.now()))
    await door.refresh()
    with pytest.raises(Unauthenticated):
        await door.authenticate_key(_token(issued), "192.0.2.1", now=clock.now())
