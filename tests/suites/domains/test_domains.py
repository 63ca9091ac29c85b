"""The domain verbs on a store: what any adapter must do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.domains.add import add_domain, ensure_capture_domain, remove_domain
from mailward.core.domains.keys import FreshKeys
from mailward.core.domains.model import CAPTURE_DOMAIN, Domain, InstallationNames, KeyPair, SigningSnapshot
from mailward.core.domains.read import get_domain, list_domains, signing_snapshot
from mailward.core.domains.records import installation_records, latest_checks, required_records
from mailward.core.domains.release import release_domain
from mailward.core.domains.rotate import rotate
from mailward.core.domains.watch import check_domain, watch
from mailward.core.webhooks import endpoints, look
from mailward.core.webhooks.enqueue import tell
from mailward.policy.access import Actor, Permission
from tests.core.domains.dns_answers import Zone

NAMES = InstallationNames("spf.mail.example.net", "bounce.mail.example.net", ("mail.example.net",), ("192.0.2.7",))
KEYS = FreshKeys(b"R" * 294, b"E" * 32, b"sealed-rsa", b"sealed-ed25519")
A = WorkspaceId(ids.encode("ws", b"a" * 16))
B = WorkspaceId(ids.encode("ws", b"b" * 16))


def acting(workspace: WorkspaceId) -> Actor:
    return Actor(workspace, "cli", "cli", frozenset(Permission))


class World:
    """A store, a clock and a DNS that the test writes."""

    def __init__(self, store: Store, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        self.zone = Zone()
        self.zone.publish(r for r in installation_records(NAMES) if r.type == "TXT")

    async def add(self, name: str, workspace: WorkspaceId = A, *, subdomains: bool = False) -> Domain:
        now, entropy = self.clock.now(), self.entropy
        return await self.store.write(
            workspace,
            lambda tx: add_domain(tx, acting(workspace), name, KEYS, now=now, entropy=entropy, subdomains=subdomains),
        )

    async def get(self, id: str, workspace: WorkspaceId = A) -> tuple[Domain, list[KeyPair]]:
        return await self.store.read(workspace, lambda tx: get_domain(tx, acting(workspace), id))

    async def publish(self, id: str, workspace: WorkspaceId = A) -> None:
        self.zone.publish(required_records(*await self.get(id, workspace), NAMES))

    async def check(self, id: str, workspace: WorkspaceId = A) -> Domain:
        now = self.clock.now()
        found, _ = await check_domain(self.store, self.zone, acting(workspace), id, names=NAMES, now=now, tell=tell)
        return found

    async def verified(self, name: str, workspace: WorkspaceId = A, *, subdomains: bool = False) -> Domain:
        domain = await self.add(name, workspace, subdomains=subdomains)
        await self.publish(domain.id, workspace)
        return await self.check(domain.id, workspace)

    async def remove(self, id: str, workspace: WorkspaceId = A) -> None:
        await self.store.write(workspace, lambda tx: remove_domain(tx, acting(workspace), id, now=self.clock.now()))

    async def rotate(self, id: str) -> KeyPair:
        return await self.store.write(
            A, lambda tx: rotate(tx, acting(A), id, KEYS, now=self.clock.now(), entropy=self.entropy)
        )

    async def snapshot(self) -> SigningSnapshot:
        return await self.store.system_read(lambda tx: signing_snapshot(tx, NAMES))

    async def watch(self) -> int:
        async def fresh(_: WorkspaceId) -> FreshKeys:
            return KEYS

        due = await self.store.system_read(lambda tx: tx.domains.due(self.clock.now(), 100))
        return await watch(
            self.store, self.zone, due, acting=acting, names=NAMES, fresh=fresh, now=self.clock.now(),
            entropy=self.entropy, tell=tell,
        )  # fmt: skip


@pytest.fixture
def world(store: Store, clock: Any, entropy: Any) -> World:
    return World(store, clock, entropy)


@pytest.mark.asvs("2.3.1")
async def test_a_domain_sends_only_once_proven(world: World) -> None:
    """Added, it is in no snapshot; with its records published and seen, it is, with both keys."""
    domain = await world.add("Shop.Example.com.")
    assert (domain.name, domain.state) == ("shop.example.com", "pending")
    assert (await world.check(domain.id)).state == "pending"
    assert not (await world.snapshot()).workspaces
    await world.publish(domain.id)
    assert (await world.check("shop.example.com")).state == "verified"
    snapshot = await world.snapshot()
    sending = snapshot.workspaces[b"a" * 16]["shop.example.com"]
    assert [(k.selector, k.algorithm) for k in sending.keys] == [
        ("mw202603ar", "rsa-sha256"),
        ("mw202603ae", "ed25519-sha256"),
    ]
    assert sending.return_path == "mw-bounce.shop.example.com"
    assert snapshot.epoch > 0
    found, pairs = await world.get(domain.id)
    assert {c.state for c in latest_checks(found, pairs, NAMES)} == {"ok"}


async def test_without_its_own_return_path_ours_is_used(world: World) -> None:
    """The CNAME is recommended: until it is there, bounces go to the installation's own host."""
    domain = await world.add("example.com")
    await world.publish(domain.id)
    del world.zone.data["mw-bounce.example.com", "CNAME"]
    assert (await world.check(domain.id)).state == "verified"
    sending = (await world.snapshot()).workspaces[b"a" * 16]["example.com"]
    assert sending.return_path == NAMES.bounce_host


@pytest.mark.asvs("2.3.4")
async def test_a_name_is_verified_in_one_workspace(world: World) -> None:
    """Another workspace with its own records published is refused, without a word about who has it."""
    await world.verified("example.com")
    other = await world.add("example.com", B)
    await world.publish(other.id, B)
    with pytest.raises(Conflict) as refusal:
        await world.check(other.id, B)
    assert refusal.value.code == "domain_taken"
    assert A not in refusal.value.public
    assert (await world.get(other.id, B))[0].state == "pending"


async def test_a_name_below_is_its_holders_alone(world: World) -> None:
    """Who counts sub-domains sends from all but those another workspace has verified, and again once they are free."""
    await world.verified("wide.example", subdomains=True)
    await world.verified("own.wide.example")
    theirs = await world.verified("a.theirs.wide.example", B)
    wide = (await world.snapshot()).workspaces[b"a" * 16]["wide.example"]
    assert wide.held_elsewhere == {"a.theirs.wide.example"}
    await world.remove(theirs.id, B)
    assert (await world.snapshot()).workspaces[b"a" * 16]["wide.example"].held_elsewhere == frozenset()


async def test_removal_frees_the_name_and_nothing_else(world: World) -> None:
    """After a removal another workspace may verify it with its own token and selectors; old records prove nothing."""
    first = await world.verified("example.com")
    await world.remove(first.id)
    assert not (await world.snapshot()).workspaces
    again = await world.add("example.com", B)
    assert again.token != first.token
    assert (await world.check(again.id, B)).state == "pending"
    await world.publish(again.id, B)
    assert (await world.check(again.id, B)).state == "verified"
    snapshot = await world.snapshot()
    assert snapshot.workspaces.keys() == {b"b" * 16}
    assert snapshot.workspaces[b"b" * 16]["example.com"].keys[0].selector == "mw202603br"


async def test_domains_of_others_do_not_exist(world: World) -> None:
    """Ids of another workspace answer as unknown ones do, in every verb."""
    mine = await world.add("example.com")
    for call in (world.get(mine.id, B), world.check(mine.id, B), world.remove(mine.id, B)):
        with pytest.raises(NotFound):
            await call
    assert await world.store.read(B, lambda tx: list_domains(tx, acting(B))) == []
    assert [d.id for d in await world.store.read(A, lambda tx: list_domains(tx, acting(A)))] == [mine.id]


async def test_adding_is_checked(world: World) -> None:
    """Twice the same name, a public suffix, or an actor without the permission are refused."""
    await world.add("example.com")
    with pytest.raises(Conflict):
        await world.add("EXAMPLE.com")
    with pytest.raises(Invalid):
        await world.add("co.uk")
    reader = Actor(A, "key", "key_x", frozenset({Permission.DOMAIN_READ}))
    with pytest.raises(Forbidden):
        await world.store.write(
            A, lambda tx: add_domain(tx, reader, "b.example", KEYS, now=world.clock.now(), entropy=world.entropy)
        )


async def test_drift_needs_three_looks_over_three_days(world: World) -> None:
    """A vanished key stops sending after three failed looks and 72 hours, and sending returns with it."""
    domain = await world.verified("example.com")
    key = ("mw202603ar._domainkey.example.com", "TXT")
    kept = world.zone.data.pop(key)
    for hours in (0, 24, 47):
        world.clock.move(hours=hours)
        assert (await world.check(domain.id)).state == "verified"
    world.clock.move(hours=1)
    failing = await world.check(domain.id)
    assert (failing.state, failing.failures) == ("failing", 4)
    assert not (await world.snapshot()).workspaces
    world.zone.data[key] = kept
    assert (await world.check(domain.id)).state == "verified"
    assert (await world.snapshot()).workspaces


async def test_unanswered_looks_never_count(world: World) -> None:
    """A week of SERVFAIL leaves the domain verified."""
    domain = await world.verified("example.com")
    world.zone.data = dict.fromkeys(world.zone.data, "servfail")
    for _ in range(7):
        world.clock.move(hours=24)
        found = await world.check(domain.id)
        assert (found.state, found.failures) == ("verified", 0)
        assert found.own_return_path


async def test_rotation_through_the_store(world: World) -> None:
    """New keys are shown, waited for, and sign; the old ones are revoked a week later; the epoch tells workers."""
    domain = await world.verified("example.com")
    pair = await world.rotate(domain.id)
    assert pair.stem == "mw202603b"
    with pytest.raises(Conflict):
        await world.rotate(domain.id)
    await world.check(domain.id)

    async def selector() -> str:
        return (await world.snapshot()).workspaces[b"a" * 16]["example.com"].keys[0].selector

    assert await selector() == "mw202603ar"
    epoch = (await world.snapshot()).epoch
    await world.publish(domain.id)
    await world.check(domain.id)
    assert await selector() == "mw202603ar"
    world.clock.move(hours=1)
    await world.check(domain.id)
    assert await selector() == "mw202603br"
    assert (await world.snapshot()).epoch > epoch
    world.clock.move(days=7)
    await world.check(domain.id)
    _, pairs = await world.get(domain.id)
    assert [(p.state, p.rsa_sealed) for p in pairs] == [("revoked", b""), ("active", b"sealed-rsa")]


async def test_the_watch_checks_what_is_due_and_rotates_on_schedule(world: World) -> None:
    """Due domains are looked at once, then rest; after 180 days new keys are waiting to be published."""
    domain = await world.verified("example.com")
    assert await world.watch() == 0
    world.clock.move(hours=6)
    assert await world.watch() == 1
    assert await world.watch() == 0
    world.clock.move(days=180)
    await world.watch()
    _, pairs = await world.get(domain.id)
    assert [p.state for p in pairs] == ["active", "publishing"]
    assert pairs[1].stem == "mw202608a"


async def test_the_watch_is_not_stopped_by_a_taken_name(world: World) -> None:
    """A name verified elsewhere is looked at again a day later, not at every turn."""
    await world.verified("example.com")
    other = await world.add("example.com", B)
    await world.publish(other.id, B)
    assert await world.watch() == 0
    assert (await world.get(other.id, B))[0].next_check > world.clock.now()


async def test_the_reserved_domain(world: World) -> None:
    """Each workspace has it, verified from the start, made once, not removable, never checked or rotated."""

    async def ensure(w: WorkspaceId) -> Domain:
        now = world.clock.now()
        return await world.store.write(
            w, lambda tx: ensure_capture_domain(tx, acting(w), KEYS, now=now, entropy=world.entropy)
        )

    for workspace in (A, B, A):
        await ensure(workspace)
    snapshot = await world.snapshot()
    assert snapshot.workspaces.keys() == {b"a" * 16, b"b" * 16}
    mine = snapshot.workspaces[b"a" * 16][CAPTURE_DOMAIN]
    assert mine.capture_only
    assert len(mine.keys) == 2
    id = ids.encode("dom", mine.id)
    world.clock.move(days=400)
    assert await world.watch() == 0
    assert (await world.check(id)).state == "capture_only"
    with pytest.raises(Conflict):
        await world.remove(id)
    with pytest.raises(Conflict):
        await world.rotate(id)


async def told(world: World, workspace: WorkspaceId = A) -> list[tuple[str, dict[str, Any]]]:
    """(type, data) of the events queued for the endpoints of a workspace, oldest first."""
    page = await world.store.read(workspace, lambda tx: endpoints.page(tx, acting(workspace)))
    hook = ids.encode("whk", page[0].id)
    events = (await world.store.read(workspace, lambda tx: look.events(tx, acting(workspace), hook))).events
    found = []
    for e in reversed(events):
        name = ids.encode("evt", e.event)

        async def one(tx: Any, name: str = name) -> Any:
            return await look.one_event(tx, acting(workspace), hook, name)

        found.append((e.type, json.loads((await world.store.read(workspace, one))[1])["data"]))
    return found


async def listen(world: World, workspace: WorkspaceId = A) -> None:
    await world.store.write(
        workspace,
        lambda tx: endpoints.create(
            tx, acting(workspace), "https://x.example/", seal=bytes, now=world.clock.now(), entropy=world.entropy
        ),
    )


async def acts(world: World, workspace: bytes) -> list[str]:
    async def verb(tx: Any) -> list[str]:
        rows = await tx.audit.page(workspace, before=None, limit=20, act=None, since=None, until=None)
        return [r.act for r in rows]

    return await world.store.system_read(verb)


async def test_a_verified_domain_that_drifts_is_told_once_and_again_when_it_returns(world: World) -> None:
    """Verified; drifted at the first failed look, with the record and the time it stops; failing; verified again."""
    await listen(world)
    domain = await world.verified("example.com")
    key = ("mw202603ar._domainkey.example.com", "TXT")
    kept = world.zone.data.pop(key)
    for hours in (1, 6):
        world.clock.move(hours=hours)
        await world.check(domain.id)
    world.clock.move(hours=72)
    assert (await world.check(domain.id)).state == "failing"
    world.zone.data[key] = kept
    world.clock.move(hours=1)
    await world.check(domain.id)
    types = [t for t, _ in await told(world)]
    assert types == ["domain.verified", "domain.drifted", "domain.failing", "domain.verified"]
    (_, first), (_, drifted), (_, failing), (_, again) = await told(world)
    assert (first["name"], first["recovered"], again["recovered"]) == ("example.com", False, True)
    (record,) = drifted["records"]
    assert (record["name"], record["state"]) == (key[0], "missing")
    assert drifted["failing_since"] == "2026-03-04T06:06:07Z"
    assert drifted["stops_sending_at"] == "2026-03-07T06:06:07Z"
    assert failing["status"] == "failing"
    assert (await acts(world, b"a" * 16)).count("domain.drifted") == 1


async def test_a_lost_record_that_does_not_stop_sending_is_told(world: World) -> None:
    """The return path's CNAME vanishes: told once, the domain goes on sending, and no end is announced."""
    await listen(world)
    domain = await world.verified("example.com")
    del world.zone.data["mw-bounce.example.com", "CNAME"]
    for _ in range(2):
        world.clock.move(hours=6)
        assert (await world.check(domain.id)).state == "verified"
    (_, (type, data)) = await told(world)
    assert type == "domain.drifted"
    assert [r["purpose"] for r in data["records"]] == ["return-path"]
    assert data["stops_sending_at"] is None


async def test_silence_of_dns_is_no_drift(world: World) -> None:
    """SERVFAIL for a day tells nobody anything."""
    await listen(world)
    domain = await world.verified("example.com")
    world.zone.data = dict.fromkeys(world.zone.data, "servfail")
    for _ in range(4):
        world.clock.move(hours=6)
        await world.check(domain.id)
    assert [t for t, _ in await told(world)] == ["domain.verified"]


async def test_the_operator_releases_a_name_and_the_claimant_still_has_to_prove_it(world: World) -> None:
    """Refused while held; after the release the old records prove nothing, and the claimant's own token does."""
    held = await world.verified("example.com")
    claimed = await world.add("example.com", B)
    operator = Actor(WorkspaceId(""), "cli", "cli", frozenset(Permission))

    async def release(actor: Actor, holder: WorkspaceId = A, name: str = "Example.com.") -> Domain:
        return await world.store.system_write(lambda tx: release_domain(tx, actor, holder, name, now=world.clock.now()))

    for refused, how in (
        (Forbidden, release(acting(A))),
        (NotFound, release(operator, B, "other.example")),
        (Conflict, release(operator, B)),
    ):
        with pytest.raises(refused):
            await how
    assert (await release(operator)).id == held.id
    with pytest.raises(NotFound):
        await world.get(held.id)
    assert not (await world.snapshot()).workspaces
    assert (await world.check(claimed.id, B)).state == "pending"
    await world.publish(claimed.id, B)
    assert (await world.check(claimed.id, B)).state == "verified"
    assert (await acts(world, b"a" * 16))[0] == "domain.released"
    assert "domain.released" in await acts(world, bytes(16))


async def test_a_rotation_is_no_drift(world: World) -> None:
    """New keys that are not there yet, old ones that are emptied and go: nobody is told of a loss."""
    await listen(world)
    domain = await world.verified("example.com")
    await world.rotate(domain.id)
    for day in range(40):
        if day == 2:
            await world.publish(domain.id)
        if day > 2:
            world.zone.data.clear()
            world.zone.publish(r for r in installation_records(NAMES) if r.type == "TXT")
            await world.publish(domain.id)
        world.clock.move(hours=24)
        await world.check(domain.id)
    assert [t for t, _ in await told(world)] == ["domain.verified"]
