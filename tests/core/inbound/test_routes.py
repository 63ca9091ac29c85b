"""Routes: what is kept, shown, audited and refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound
from mailward.core.inbound import holder, routes
from mailward.core.inbound.model import Attachments, CopyState, RouteFormat, Signature
from mailward.policy.access import SCOPE_PERMISSIONS, Actor, Scope
from mailward.policy.inbound_routes import MatchKind
from tests.core.inbound.inbound_rig import ACTOR, OTHER, WS, World, seal


@pytest.fixture
def world(store: Any, clock: Any, entropy: Any) -> World:
    return World(store, clock, entropy)


async def test_a_route_is_read_back_as_it_was_made(world: World) -> None:
    """Every field survives its row, and the list is newest first."""
    made = await world.route("a", format=RouteFormat.CLOUDMAILIN_RAW, require_tls=True, description="d")
    world.clock.move(seconds=1)
    later = await world.route("", kind=MatchKind.CATCH_ALL)
    name = ids.encode("rte", made.id)
    assert await world.read(lambda tx: routes.find(tx, ACTOR, name)) == made
    assert await world.read(lambda tx: routes.page(tx, ACTOR)) == [later, made]
    assert await world.store.system_read(lambda tx: tx.inbound.all_routes()) == [made, later]


async def test_credentials_of_a_url_are_kept_apart_and_sealed(world: World) -> None:
    """The URL that is shown has none; what is sealed is decoded."""
    made = await world.route(
        url="https://us%40er:p%3A%20w@x.example:8443/in?a=1", authorize_url="https://a:b@y.example/"
    )
    assert (made.url, made.authorize_url) == ("https://x.example:8443/in?a=1", "https://y.example/")
    assert made.credentials == seal(b"us@er:p: w")
    assert made.authorize_credentials == seal(b"a:b")
    assert "p: w" not in repr(made)


async def test_acts_on_routes_are_audited_without_paths_or_secrets(world: World) -> None:
    """Added, changed with the names of the fields, rotated, removed; the host and never the path."""
    made = await world.route(url="https://u:p@x.example/token123")
    await world.change(made, url="https://z.example/token456", require_tls=True)
    name = ids.encode("rte", made.id)
    await world.write(
        lambda tx: routes.rotate_secret(tx, ACTOR, name, seal=seal, now=world.clock.now(), entropy=world.entropy)
    )
    await world.write(lambda tx: routes.remove_route(tx, ACTOR, name, now=world.clock.now()))
    acts = await world.acts("route.")
    assert [a for a, _ in acts] == ["route.added", "route.changed", "route.secret_rotated", "route.removed"]
    assert acts[1][1]["changed"] == "credentials require_tls url"
    assert acts[1][1]["host"] == "z.example"
    assert "token" not in str(acts)
    with pytest.raises(NotFound):
        await world.read(lambda tx: routes.find(tx, ACTOR, name))


async def test_secrets_overlap_while_they_rotate(world: World) -> None:
    """Both sign for the overlap, then the old one is gone."""
    made, first = await world.route_and_secret()
    assert first.secret.reveal().startswith("whsec_")
    name = ids.encode("rte", made.id)
    world.clock.move(seconds=1)

    async def rotate(overlap: timedelta) -> None:
        await world.write(
            lambda tx: routes.rotate_secret(
                tx, ACTOR, name, seal=seal, now=world.clock.now(), entropy=world.entropy, overlap=overlap
            )
        )

    await rotate(timedelta(hours=1))
    assert len(await world.read(lambda tx: tx.inbound.secrets(made.id))) == 2
    await world.take(made)
    works = await world.lease()
    assert len(works[0].secrets) == 2
    await world.answer(works, 500)
    world.clock.move(hours=2)
    works = await world.lease()
    assert len(works[0].secrets) == 1
    with pytest.raises(Invalid):
        await rotate(timedelta(days=8))


async def test_an_ed25519_route_shows_its_public_key(world: World) -> None:
    """The private half has its own prefix, the public half is what the receiver is given."""
    _, shown = await world.route_and_secret(signature=Signature.ED25519)
    assert shown.secret.reveal().startswith("whsk_")
    assert shown.public_key.startswith("whpk_")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"url": "http://x.example/"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://u:\x01@x.example/"}, "url"),
        ({"authorize_url": "ftp://x.example/"}, "authorize_url"),
        ({"kind": MatchKind.REGEX, "pattern": r"(a)\1"}, "pattern"),
        ({"format": RouteFormat.CLOUDMAILIN_RAW, "attachments": Attachments.STORE}, "attachments"),
        ({"description": "x" * 201}, "description"),
    ],
)
async def test_a_route_that_cannot_work_is_refused(world: World, more: dict[str, Any], field: str) -> None:
    """With the field it is about, and nothing is kept."""
    pattern = more.get("pattern", "help")
    more = {k: v for k, v in more.items() if k != "pattern"}
    with pytest.raises(Invalid) as e:
        await world.route(pattern, **more)
    assert e.value.field == field
    assert await world.read(lambda tx: tx.inbound.count_routes()) == 0


async def test_turning_a_route_off_ends_what_waits(world: World) -> None:
    """The copy ends as expired, nothing is leased, and turning it on brings nothing back by itself."""
    made = await world.route()
    message = await world.take(made)
    await world.change(made, enabled=False)
    assert await world.state(message, made) == (CopyState.EXPIRED, 0, None)
    assert await world.lease() == []
    on = await world.change(made, enabled=True)
    assert (on.enabled, on.disabled_reason, on.disabled_at) == (True, "", None)
    assert await world.lease() == []


async def test_who_may_only_read_changes_nothing(world: World) -> None:
    """A read key sees routes and adds none; a send key sees none."""
    reader = Actor(WS, "key", "key_9", SCOPE_PERMISSIONS[Scope.READ])
    await world.route()
    assert len(await world.read(lambda tx: routes.page(tx, reader))) == 1
    with pytest.raises(Forbidden):
        await world.route("x", reader)
    sender = Actor(WS, "key", "key_8", SCOPE_PERMISSIONS[Scope.SEND])
    with pytest.raises(Forbidden):
        await world.read(lambda tx: routes.page(tx, sender))


async def test_another_workspace_reaches_no_route(world: World) -> None:
    """Neither by id nor in the list, and a change by it leaves everything as it was."""
    made = await world.route()
    name = ids.encode("rte", made.id)
    assert await world.read(lambda tx: routes.page(tx, OTHER), OTHER) == []
    for verb in (
        lambda tx: routes.find(tx, OTHER, name),
        lambda tx: routes.remove_route(tx, OTHER, name, now=world.clock.now()),
        lambda tx: routes.rotate_secret(tx, OTHER, name, seal=seal, now=world.clock.now(), entropy=world.entropy),
    ):
        with pytest.raises(NotFound):
            await world.write(verb, OTHER)
    assert await world.read(lambda tx: tx.inbound.secrets(made.id), OTHER) == []
    assert await world.read(lambda tx: routes.find(tx, ACTOR, name)) == made


async def test_the_number_of_routes_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than the bound is a Conflict."""
    monkeypatch.setattr(routes, "ROUTES_MAX", 2)
    await world.route("a")
    await world.route("b")
    with pytest.raises(Conflict):
        await world.route("c")


def test_the_longest_verified_name_decides_whose_mail_it_is() -> None:
    """A sub-domain another workspace verified is that workspace's; others below a name need its sub-domains on."""
    held = {"example.com": (b"a", True), "in.example.com": (b"b", False), "strict.org": (b"c", False)}
    assert holder.holder_of(held, "example.com") == b"a"
    assert holder.holder_of(held, "x.example.com") == b"a"
    assert holder.holder_of(held, "in.example.com") == b"b"
    assert holder.holder_of(held, "x.in.example.com") is None
    assert holder.holder_of(held, "x.strict.org") is None
    assert holder.holder_of(held, "com") is None


@pytest.mark.parametrize(("given", "kept"), [("In.Example.COM.", "in.example.com"), ("bücher.de", "xn--bcher-kva.de")])
def test_domains_have_one_spelling(given: str, kept: str) -> None:
    """A-labels in lower case without the final dot."""
    assert holder.spelled(given) == kept


@pytest.mark.parametrize("given", ["", "com", "a..b", "x" * 64 + ".de", "a b.de", "a@b.de"])
def test_what_is_no_domain_is_refused(given: str) -> None:
    """With the field it is about."""
    with pytest.raises(Invalid) as e:
        holder.spelled(given)
    assert e.value.field == "domain"
