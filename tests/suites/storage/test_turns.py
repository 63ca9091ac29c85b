"""Acts that look before they leap, done by two at once: the second sees what the first did, on every store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from mailward.adapters.vault.signer import LogSigner
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Conflict, Invalid, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.audit.advance import Advance, advance
from mailward.core.audit.model import INSTALLATION
from mailward.core.delivery.lease import lease
from mailward.core.identity import granting, invitations, people
from mailward.core.identity.model import User
from mailward.core.inbound import routes
from mailward.core.inbound.routes import Allowed, RouteDraft
from mailward.core.messages import change as messages
from mailward.core.operators import end, grants
from mailward.core.operators.model import Grant, GrantState
from mailward.core.webhooks import endpoints
from mailward.core.workspaces import change
from mailward.policy.access import IN_WORKSPACE, Actor, Permission, Role
from mailward.policy.inbound_routes import MatchKind
from tests.core.conftest import T0, WS_ID, put, submission
from tests.core.operators.operators_rig import Rig
from tests.suites.storage.conftest import Another

WORKSPACE = WorkspaceId(ids.encode("ws", b"a" * 16))

Verb = Callable[[Any], Awaitable[Any]]


def acting(user: str) -> Actor:
    return Actor(WORKSPACE, "session", user, frozenset(Permission), Role.MANAGER)


class Crossing:
    """Holds each verb where it has looked and not yet changed anything, until both are there or one cannot come."""

    def __init__(self) -> None:
        self._there = 0
        self._both = asyncio.Event()

    async def __call__(self, patience: float) -> None:
        """`patience` seconds are waited when both are there: who has more of it comes last."""
        self._there += 1
        if self._there == 2:
            self._both.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._both.wait(), 0.2)
            await asyncio.sleep(patience)


def pausing(tx: Any, repo: str, name: str, crossing: Callable[[], Awaitable[None]]) -> Any:
    """The transaction, whose `repo` waits at the crossing before it does `name`."""

    class Waits:
        def __init__(self, inner: Any, method: str) -> None:
            self._inner, self._method = inner, method

        def __getattr__(self, asked: str) -> Any:
            found = getattr(self._inner, asked)
            if asked != self._method:
                return found

            async def waits(*given: Any, **named: Any) -> Any:
                await crossing()
                return await found(*given, **named)

            return waits

    class Outer:
        def __getattr__(self, asked: str) -> Any:
            found = getattr(tx, asked)
            return Waits(found, name) if asked == repo else found

    return Outer()


async def cross(
    stores: tuple[Store, Store], verbs: list[Verb], *at: tuple[str, str], workspace: WorkspaceId | None = WORKSPACE
) -> list[Any]:
    """Both verbs at once, each through a process of its own; what came of them. `at`: of both, or of each. Without a
    workspace in the system's scope."""
    # The embedded store runs verbs one after the other and never suspends one: there is nothing to hold.
    crossing = Crossing() if type(stores[0]).__name__ == "PostgresStore" else None

    async def held(tx: Tx, n: int) -> Any:
        if crossing is None:
            return await verbs[n](tx)
        return await verbs[n](pausing(tx, *at[n % len(at)], lambda: crossing(n * 0.1)))

    async def door(n: int, store: Store) -> Any:
        if workspace is None:
            return await store.system_write(lambda tx: held(tx, n))
        return await store.write(workspace, lambda tx: held(tx, n))

    return await asyncio.gather(*(door(n, store) for n, store in enumerate(stores)), return_exceptions=True)


@pytest.fixture
async def managers(store: Store, clock: Any, entropy: Any) -> tuple[str, str]:
    """A workspace and the two people who manage it."""
    now = clock.now()
    made = [User(UserId(ids.new("usr", now, entropy)), f"{n}@a.test", n, "x", now) for n in ("ann", "bob")]

    async def found(tx: Tx) -> None:
        await change.create(tx, acting("usr_x"), "W", now=now, entropy=entropy, id=WORKSPACE)
        for user in made:
            await tx.people.add_user(user)
            await people.add_member(tx, acting("usr_x"), user, Role.MANAGER, now=now)

    await store.system_write(found)
    return made[0].id, made[1].id


async def test_two_managers_cannot_leave_a_workspace_to_nobody(
    store: Store, another: Another, managers: tuple[str, str], clock: Any
) -> None:
    """Each removes the other, or both leave, in two processes at once: one of them stays."""
    now, (ann, bob) = clock.now(), managers
    verbs: list[Verb] = [
        lambda tx: people.remove_member(tx, acting(ann), UserId(bob), now=now),
        lambda tx: people.leave(tx, acting(ann), now=now),
    ]
    done = await cross((store, await another()), verbs, ("people", "remove_member"))
    assert [type(d) for d in done if d is not None] == [Conflict]
    left = await store.read(WORKSPACE, lambda tx: people.list_members(tx, acting(ann)))
    assert [m.role for m in left] == [Role.MANAGER]


@pytest.mark.claim("LOG-2")
async def test_heads_are_signed_in_turn(store: Store, another: Another, managers: tuple[str, str], clock: Any) -> None:
    """An export advances the log while upkeep does: one signs the heads, the other finds them signed."""
    signer = LogSigner(bytes(range(32)))

    async def sign(tx: Any) -> Advance:
        return await advance(tx, signer, now=clock.now())

    done = await cross((store, await another()), [sign, sign], ("audit", "add_nodes"), workspace=None)
    assert [type(d) for d in done] == [Advance, Advance], done
    assert [d.faults for d in done] == [[], []]
    assert sorted(len(d.heads) for d in done)[1] >= 2
    signed = {name: head for d in done for name, head in d.heads.items()}
    for name, head in signed.items():
        raw = INSTALLATION if name == "installation" else ids.decode("ws", name)
        kept = await store.system_read(lambda tx, raw=raw: tx.audit.head(raw))  # type: ignore[misc]
        assert kept is not None
        assert kept.size >= head.size


async def test_of_two_settings_changed_at_once_both_hold(
    store: Store, another: Another, managers: tuple[str, str], clock: Any
) -> None:
    """One asks for second factors, the other shortens retention: neither undoes the other."""
    now, actor = clock.now(), acting(managers[0])

    async def factors(tx: Any) -> None:
        await tx.audit.in_turn(WORKSPACE)
        found = await change.show(tx, actor)
        await change.change_settings(tx, actor, replace(found.settings, second_factor=True), now=now)

    async def leaks(tx: Any) -> None:
        await change.change_leak_response(tx, actor, revoke=True, now=now)

    await cross((store, await another()), [factors, leaks], ("workspaces", "change_settings"))
    settings = (await store.read(WORKSPACE, lambda tx: change.show(tx, actor))).settings
    assert (settings.second_factor, settings.revoke_leaked) == (True, True)


async def test_an_endpoint_turned_off_stays_off(
    store: Store, another: Another, managers: tuple[str, str], clock: Any, entropy: Any
) -> None:
    """Turned off by one, and its URL changed by another at once: it is off, and it has the new URL."""
    now, actor = clock.now(), acting(managers[0])

    async def create(tx: Tx) -> str:
        made, _ = await endpoints.create(
            tx, actor, "https://a.test/", types=["message.delivered"], seal=bytes, now=now, entropy=entropy
        )
        return ids.encode("whk", made.id)

    name = await store.write(WORKSPACE, create)
    verbs: list[Verb] = [
        lambda tx: endpoints.change(tx, actor, name, disable=True, now=now),
        lambda tx: endpoints.change(tx, actor, name, url="https://b.test/", now=now),
    ]
    await cross((store, await another()), verbs, ("webhooks", "update"))
    kept = await store.read(WORKSPACE, lambda tx: endpoints.find(tx, actor, name))
    assert (kept.enabled, kept.url) == (False, "https://b.test/")


async def test_routes_are_counted_and_changed_in_turn(
    store: Store,
    another: Another,
    managers: tuple[str, str],
    clock: Any,
    entropy: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two that are added where there is room for one, one is; turned off while its URL changes, a route is off."""
    now, actor, stores = clock.now(), acting(managers[0]), (store, await another())
    monkeypatch.setattr(routes, "ROUTES_MAX", 1)
    draft = RouteDraft("a.test", MatchKind.CATCH_ALL, "", "https://a.test/")

    def seal(secret: bytes) -> bytes:
        return secret

    async def add(tx: Any) -> Any:
        return await routes.add_route(tx, actor, draft, allowed=Allowed(), seal=seal, now=now, entropy=entropy)

    def change(**given: Any) -> Verb:
        return lambda tx: routes.change_route(tx, actor, name, given, allowed=Allowed(), seal=seal, now=now)

    done = await cross(stores, [add, add], ("inbound", "insert_route"))
    assert sorted(type(d).__name__ for d in done) == ["Conflict", "tuple"]
    ((made,), *_) = [[d[0]] for d in done if isinstance(d, tuple)]
    name = ids.encode("rte", made.id)
    await cross(stores, [change(enabled=False), change(url="https://b.test/")], ("inbound", "update_route"))
    (kept,) = await store.read(WORKSPACE, lambda tx: routes.page(tx, actor))
    assert (kept.enabled, kept.url) == (False, "https://b.test/")


@pytest.mark.parametrize("by", ["given", "offered"])
async def test_a_role_is_not_removed_while_it_is_given(
    store: Store, another: Another, managers: tuple[str, str], clock: Any, entropy: Any, by: str
) -> None:
    """Removed by one, and given to a member or offered in an invitation by another at once: one of the two fails."""
    now, (ann, bob) = clock.now(), managers
    actor = Actor(WORKSPACE, "session", ann, IN_WORKSPACE, Role.MANAGER)
    role = await store.write(
        WORKSPACE,
        lambda tx: granting.make_role(tx, actor, "r", frozenset({Permission.MESSAGE_READ}), now=now, entropy=entropy),
    )

    async def offer(tx: Any) -> Any:
        return await invitations.invite(tx, actor, "c@a.test", Role.CUSTOM, custom=role.id, now=now, entropy=entropy)

    verbs: list[Verb] = [
        lambda tx: granting.remove_role(tx, actor, role.id, now=now),
        (lambda tx: granting.give_role(tx, actor, UserId(bob), role.id, now=now)) if by == "given" else offer,
    ]
    then = ("roles", "give") if by == "given" else ("entry", "add_invitation")
    done = await cross((store, await another()), verbs, ("roles", "remove"), then)
    assert sum(isinstance(d, Conflict | NotFound | Invalid) for d in done) == 1, done
    there = await store.read(WORKSPACE, lambda tx: granting.list_roles(tx, actor))
    assert bool(there) is isinstance(done[0], Conflict)


async def test_two_roles_do_not_take_one_name(
    store: Store, another: Another, managers: tuple[str, str], clock: Any, entropy: Any
) -> None:
    """Made by two at once under one name: there is one."""
    now, actor = clock.now(), acting(managers[0])
    may = frozenset({Permission.MESSAGE_READ})
    verbs: list[Verb] = [lambda tx: granting.make_role(tx, actor, "r", may, now=now, entropy=entropy)] * 2
    done = await cross((store, await another()), verbs, ("roles", "add"))
    assert sum(isinstance(d, Conflict) for d in done) == 1, done
    assert len(await store.read(WORKSPACE, lambda tx: granting.list_roles(tx, actor))) == 1


@pytest.mark.claim("AUTHZ-3")
async def test_an_access_that_the_customer_ends_does_not_begin(
    store: Store, another: Another, clock: Any, entropy: Any
) -> None:
    """Revoked and begun at once, in two processes: it is over, whichever comes first."""
    rig = await Rig(store, clock, entropy).settle()
    asked = await rig.request()
    await rig.do(grants.approve, rig.acting(rig.bob), asked.id)
    verbs: list[Verb] = [
        lambda tx: end.revoke(tx, rig.customer, asked.id, now=rig.now),
        lambda tx: grants.begin(tx, rig.acting(rig.ann), asked.id, now=rig.now),
    ]
    done = await cross((store, await another()), verbs, ("operators", "change_grant"), workspace=rig.workspace)
    assert all(isinstance(d, Conflict | Grant) for d in done), done
    (kept,) = await store.read(rig.workspace, lambda tx: tx.operators.grants(limit=2))
    assert kept.state is GrantState.ENDED


async def test_what_is_on_its_way_is_not_called_cancelled(store: Store, another: Another) -> None:
    """Taken up by a sender between the look and the act: cancelling fails as a whole, and nobody is told of it."""
    receipt, further = await put(store, submission(1)), await another()
    sender = Actor(WorkspaceId(WS_ID), "key", "key_1", frozenset(Permission))
    told: list[Any] = []

    async def tell(tx: Any, happened: Sequence[Any]) -> None:
        told.extend(happened)

    async def taken() -> None:
        works = await further.system_write(lambda tx: lease(tx, 7, now=T0, until=T0 + 1, limit=9, turn=0))
        assert len(works) == 1

    async def cancel(tx: Any) -> None:
        if type(store).__name__ == "PostgresStore":
            tx = pausing(tx, "deliveries", "move", taken)
        await messages.cancel(tx, sender, receipt.id, now=T0, tell=tell)

    if type(store).__name__ != "PostgresStore":
        await taken()
    with pytest.raises(Conflict):
        await store.write(WS_ID, cancel)
    assert told == []
