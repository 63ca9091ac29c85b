"""Tracking on both stores: modes, opt-outs, and what is kept of opens and clicks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Forbidden, Invalid, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.domains.add import add_domain, remove_domain
from mailward.core.domains.keys import fresh_keys
from mailward.core.messages.model import FACTS_ENCODER, DeliveryState, MessageFacts
from mailward.core.suppression.model import token
from mailward.core.tracking import modes, opting
from mailward.core.tracking.model import FACTS, WHOLE, Change, domain_scope, stream_scope
from mailward.core.tracking.seen import Result, seen
from mailward.policy.access import IN_WORKSPACE, Actor, Permission, Role
from mailward.policy.tracking import Mode, Seen

KEY = b"k" * 32
PERSON = Seen("GET", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")
SECOND_US = 1_000_000


class Sent:
    """A workspace with one message, delivered to one recipient; `told` is what endpoints would hear."""

    def __init__(self, store: Store, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        workspace = WorkspaceId(ids.new("ws", clock.now(), entropy))
        self.actor = Actor(workspace, "session", "usr_1", IN_WORKSPACE, Role.MANAGER)
        self.delivered = int(clock.now().timestamp() * 1e6)
        self.message = ids.new_raw(self.delivered // 1000, entropy)
        self.told: list[tuple[str, dict[str, Any]]] = []

    async def act(self, verb: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Something in its transaction."""

        async def work(tx: Tx) -> Any:
            return await verb(tx, *given, **named)

        return await self.store.write(self.actor.workspace, work)

    async def send(self, *redacted: str) -> None:
        """Write the message down."""
        facts = MessageFacts(
            "api", "key_1", "a.example", "a@a.example", "a@a.example", "b@b.example", "s", "<1@a>", 1,
            redacted=redacted, tokens=(token(KEY, "b@b.example"),) if redacted else (),
        )  # fmt: skip

        async def work(tx: Tx) -> None:
            await tx.messages.insert([(self.message, self.delivered, None, None, None, FACTS_ENCODER.encode(facts))])
            row = (self.message, 0, "b@b.example", int(DeliveryState.DELIVERED), 0, 0, self.delivered, None, None)
            await tx.deliveries.insert([row])

        await self.act(work)

    async def see(self, after: float, target: str = "", shown: Seen | None = PERSON) -> Result:
        """A request that many seconds after delivery."""

        async def tell(tx: Any, happened: Any) -> None:
            self.told += [(type, dict(data)) for type, _, _, data in happened]

        at = self.delivered + int(after * SECOND_US)
        result: Result = await self.act(seen, self.message, 0, target, shown, key=KEY, at=at, tell=tell)
        return result

    async def timeline(self) -> list[tuple[str, Any]]:
        """What is kept."""
        rows = await self.act(lambda tx: tx.messages.timeline(self.message))
        return [(moment, FACTS.decode(facts)) for _, moment, facts in rows]

    async def counted(self) -> dict[str, int]:
        """What the figures say."""
        rows = await self.act(lambda tx: tx.messages.hours(0))
        return {what: count for _, what, count in rows}


@pytest.fixture
async def sent(store: Store, clock: Any, entropy: Any) -> Sent:
    """The message that the test is about."""
    made = Sent(store, clock, entropy)
    await made.send()
    return made


async def test_modes_are_kept_by_scope(sent: Sent, store: Store, clock: Any, entropy: Any) -> None:
    """Nothing is said at first; what is said is kept for its scope alone, moves the epoch, and can be taken back."""
    assert await sent.act(modes.modes, sent.actor) == (None, {}, {})

    async def epoch(tx: Tx) -> int:
        return await tx.counters.value("domains_epoch")

    before = await store.system_read(epoch)
    wanted = Change({WHOLE: Mode.OPENS, stream_scope("broadcast"): Mode.BOTH})
    found = await sent.act(modes.change_modes, sent.actor, wanted, now=clock.now())
    assert found == (Mode.OPENS, {"broadcast": Mode.BOTH}, {})
    assert await store.system_read(epoch) > before
    await sent.act(modes.change_modes, sent.actor, Change({WHOLE: None}), now=clock.now())
    every = await store.system_read(lambda tx: tx.tracking.all_modes())
    assert every == {ids.decode("ws", sent.actor.workspace): {"s:broadcast": Mode.BOTH}}
    other = Sent(store, clock, entropy)
    assert await other.act(modes.modes, other.actor) == (None, {}, {})
    with pytest.raises(Invalid):
        await sent.act(modes.change_modes, sent.actor, Change({stream_scope("x"): Mode.OFF}), now=clock.now())
    with pytest.raises(NotFound):
        await sent.act(modes.change_modes, sent.actor, Change({domain_scope(b"1" * 16): Mode.OFF}), now=clock.now())
    reader = Actor(sent.actor.workspace, "key", "key_1", frozenset({Permission.DOMAIN_READ}))
    with pytest.raises(Forbidden):
        await sent.act(modes.change_modes, reader, Change({WHOLE: Mode.BOTH}), now=clock.now())


@pytest.mark.parametrize("how", ["removed", "taken away"])
async def test_what_is_said_of_a_domain_goes_with_it(
    sent: Sent, store: Store, clock: Any, entropy: Any, how: str
) -> None:
    """Removed, or given to another workspace, a domain leaves no mode behind; added again anywhere, it has none."""
    fresh = fresh_keys(lambda key: key)

    async def add(tx: Tx, actor: Actor) -> bytes:
        made = await add_domain(tx, actor, "a.example", fresh, now=clock.now(), entropy=entropy)
        return ids.decode("dom", made.id)

    domain = await sent.act(add, sent.actor)
    wanted = Change({domain_scope(domain): Mode.BOTH, stream_scope("broadcast"): Mode.OPENS})
    await sent.act(modes.change_modes, sent.actor, wanted, now=clock.now())
    if how == "removed":
        await sent.act(remove_domain, sent.actor, ids.encode("dom", domain), now=clock.now())
    else:
        workspace = ids.decode("ws", sent.actor.workspace)
        await store.system_write(lambda tx: tx.domains.take_away(workspace, ids.encode("dom", domain)))
    for place in (sent, Sent(store, clock, entropy)):
        again = await place.act(add, place.actor)
        assert again != domain
    assert await sent.act(modes.modes, sent.actor) == (None, {"broadcast": Mode.OPENS}, {})
    every = await store.system_read(lambda tx: tx.tracking.all_modes())
    assert every == {ids.decode("ws", sent.actor.workspace): {"s:broadcast": Mode.OPENS}}


async def test_a_person_counts_once_and_programs_never(sent: Sent) -> None:
    """The first open and click of a copy are counted; a proxy's open is kept as its own and told as such."""
    assert await sent.see(60, shown=Seen("GET", "Mozilla/5.0 (via ggpht.com GoogleImageProxy)")) is Result.MACHINE
    assert await sent.see(1) is Result.MACHINE
    assert await sent.see(90) is Result.COUNTED
    assert await sent.see(91) is Result.AGAIN
    assert await sent.see(95, "https://x.example/") is Result.COUNTED
    assert await sent.counted() == {"opened": 1, "clicked": 1}
    kept = await sent.timeline()
    assert [(m, f.machine, f.reasons) for m, f in kept] == [
        ("opened", True, ("too_soon",)), ("opened", True, ("mail_proxy",)), ("opened", False, ()),
        ("opened", False, ()), ("clicked", False, ()),
    ]  # fmt: skip
    assert kept[-1][1].link == "https://x.example/" and kept[-1][1].agent == "Firefox"
    assert [(type, data["machine"]) for type, data in sent.told][-2:] == [
        ("message.opened", False), ("message.clicked", False),
    ]  # fmt: skip
    assert sent.told[-1][1]["recipient"] == "b@b.example" and sent.told[-1][1]["link"] == "https://x.example/"


async def test_many_links_at_once_are_a_program(sent: Sent) -> None:
    """A second link within a second shows that the first was no person either, and takes its count back."""
    assert await sent.see(60, "https://x.example/1") is Result.COUNTED
    assert await sent.see(60.2, "https://x.example/2") is Result.MACHINE
    assert await sent.counted() == {"clicked": 0}
    assert all(f.machine and f.reasons == ("many_links",) for _, f in await sent.timeline())
    assert await sent.see(90, "https://x.example/1") is Result.COUNTED
    assert await sent.counted() == {"clicked": 1}


async def test_who_opted_out_leaves_nothing_behind(sent: Sent, store: Store, clock: Any, entropy: Any) -> None:
    """After an opt-out, however it came, nothing is kept; taken back, it is. Another workspace is not concerned."""
    assert await sent.act(opting.own_opt_out, sent.message, 0, key=KEY, now=clock.now())
    assert await sent.see(60) is Result.UNWANTED and await sent.timeline() == []
    since = await sent.act(opting.opted_out, sent.actor, "B@b.example", key=KEY)
    assert since is not None and abs(since - clock.now()) < timedelta(seconds=1)
    other = Sent(store, clock, entropy)
    assert await other.act(opting.opted_out, other.actor, "b@b.example", key=KEY) is None
    assert not await sent.act(opting.opt_out, sent.actor, "b@b.example", key=KEY, now=clock.now())
    assert await sent.act(opting.opt_in, sent.actor, "b@b.example", key=KEY, now=clock.now())
    assert not await sent.act(opting.own_opt_out, sent.message, 3, key=KEY, now=clock.now())
    assert await sent.see(60, shown=None) is Result.UNWANTED
    assert await sent.see(60) is Result.COUNTED


async def test_what_is_not_stored_of_a_message_is_not_stored_of_its_links(
    store: Store, clock: Any, entropy: Any
) -> None:
    """Without content no link is kept or told; without addresses an opt-out is found by the hash that is kept."""
    sent = Sent(store, clock, entropy)
    await sent.send("addresses", "body")
    assert await sent.see(60, "https://x.example/secret") is Result.COUNTED
    kept = [f.link for _, f in await sent.timeline()] + [data["link"] for _, data in sent.told]
    assert len(kept) == 2 and not any("x.example" in link for link in kept)
    await sent.act(opting.opt_out, sent.actor, "b@b.example", key=KEY, now=clock.now())
    assert await sent.see(90, "https://x.example/secret") is Result.UNWANTED


async def test_a_message_is_full_one_day_and_gone_another(sent: Sent) -> None:
    """At most two hundred are kept of a message, and none of one that is no longer there."""
    row = msgspec.json.encode({"n": 0}).decode()
    rows = [(sent.message, sent.delivered + n, "opened", row) for n in range(200)]
    await sent.act(lambda tx: tx.messages.timeline_add_all(rows))
    assert await sent.see(60) is Result.FULL
    await sent.act(lambda tx: tx.messages.erase([sent.message]))
    assert await sent.see(60) is Result.GONE
