"""A leaked key that is reported, limits the operator sets, and what owners are told, on both stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mailward.app.ceilings import KnownCeilings
from mailward.app.platform.leaks import Leaks
from mailward.app.store import Store, Tx
from mailward.base.errors import Forbidden, Invalid, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.audit.read import list_entries
from mailward.core.identity.credentials import Wish, create_key, create_smtp
from mailward.core.identity.leaks import report_leak
from mailward.core.identity.model import LEAKED, Issued
from mailward.core.workspaces import change
from mailward.core.workspaces.ceilings import set_ceilings
from mailward.core.workspaces.model import Ceilings
from mailward.edges.web.limits import RateClass
from mailward.policy.access import Actor, Permission
from mailward.policy.gcra import Rate
from tests.conftest import MovingClock, SeededEntropy
from tests.core.conftest import WS_ID

OWNER = Actor(WorkspaceId(WS_ID), "session", "usr_1", frozenset(Permission))
OPERATOR = Actor(WorkspaceId(""), "cli", "cli")


@pytest.fixture
async def issue(store: Store, clock: MovingClock, entropy: SeededEntropy) -> Callable[..., Awaitable[Issued]]:
    await store.system_write(
        lambda tx: change.create(tx, OWNER, "Shop", now=clock.now(), entropy=entropy, id=WorkspaceId(WS_ID))
    )

    async def make(verb: Any = create_key) -> Issued:
        return await store.write(WS_ID, lambda tx: verb(tx, OWNER, Wish("k"), now=clock.now(), entropy=entropy))

    return make


async def acts(store: Store, act: str) -> list[dict[str, str]]:
    found = await store.read(WS_ID, lambda tx: list_entries(tx, OWNER, act=act))
    return [e.facts or {} for e in found]


async def report(store: Store, clock: MovingClock, token: str) -> Any:
    return await store.system_write(lambda tx: report_leak(tx, token, where="a public paste", now=clock.now()))


@pytest.mark.claim("KEYS-3")
@pytest.mark.parametrize("verb", [create_key, create_smtp])
async def test_a_reported_key_warns_its_owner(
    store: Store, clock: MovingClock, issue: Callable[..., Awaitable[Issued]], verb: Any
) -> None:
    """The key goes on working; the log has the report and the owner is to be mailed, once however often it comes."""
    issued = await issue(verb)
    assert issued.secret is not None
    for _ in range(3):
        assert (await report(store, clock, issued.secret.reveal())).id == issued.credential.id
        clock.move(seconds=1)
    (facts,) = await acts(store, "credential.leak_reported")
    assert facts == {"kind": issued.credential.kind.value, "name": "k", "did": "warned", "where": "a public paste"}
    (notice,) = await store.system_read(lambda tx: tx.notices.due(10))
    assert (notice.kind, notice.about, notice.workspace) == (LEAKED, issued.credential.id, WS_ID)
    kept = await store.read(WS_ID, lambda tx: tx.credentials.get(issued.credential.id))
    assert kept is not None and kept.revoked is None
    await store.system_write(lambda tx: tx.notices.set_told(notice.id, "mailed"))
    assert await store.system_read(lambda tx: tx.notices.due(10)) == []
    assert await store.system_write(lambda tx: tx.notices.prune(clock.move(days=1))) == 1


@pytest.mark.claim("KEYS-3")
async def test_a_reported_key_is_revoked_where_the_workspace_asks_for_that(
    store: Store, clock: MovingClock, issue: Callable[..., Awaitable[Issued]]
) -> None:
    """Revoked in the transaction of the report, on every worker by the epoch, with entries in the log."""
    issued = await issue()
    assert issued.secret is not None
    await store.write(WS_ID, lambda tx: change.change_leak_response(tx, OWNER, True, now=clock.now()))
    before = await store.system_read(lambda tx: tx.revocations.current())
    assert (await report(store, clock, issued.secret.reveal())) is not None
    assert await store.system_read(lambda tx: tx.revocations.current()) > before
    kept = await store.read(WS_ID, lambda tx: tx.credentials.get(issued.credential.id))
    assert kept is not None and kept.revoked == clock.now()
    assert [f["did"] for f in await acts(store, "credential.leak_reported")] == ["revoked"]
    assert [f["reason"] for f in await acts(store, "credential.revoked")] == ["leaked"]
    assert await report(store, clock, issued.secret.reveal()) is None, "a second report finds nothing any more"


@pytest.mark.claim("KEYS-3")
async def test_a_wrong_key_does_nothing_and_is_answered_alike(
    store: Store, clock: MovingClock, issue: Callable[..., Awaitable[Issued]]
) -> None:
    """Look-alikes, other text and a live key get the same answer; only the live one leaves a trace."""
    issued = await issue()
    assert issued.secret is not None
    live = issued.secret.reveal()
    changes: list[None] = []
    leaks = Leaks(store, clock, changed=lambda: changes.append(None), answer_seconds=0.0)
    for text in ("mwk_" + "0" * 49, live[:-1], live.replace("mwk_", "mws_"), "hello", ""):
        assert await leaks.report(text, "") is None  # type: ignore[func-returns-value]
    assert await acts(store, "credential.leak_reported") == [] and not changes
    assert await leaks.report(f" {live}\n", "") is None  # type: ignore[func-returns-value]
    assert len(await acts(store, "credential.leak_reported")) == 1 and changes


@pytest.mark.claim("RATE-1")
async def test_the_operator_sets_limits_of_one_workspace(
    store: Store, clock: MovingClock, issue: Callable[..., Awaitable[Issued]]
) -> None:
    """They are known after the epoch moved, in both audit logs, and gone when set to nothing."""
    usual = Rate("messages", 10, 60)
    known = KnownCeilings(store)
    place = WorkspaceId(WS_ID)

    async def put(api: int | None, messages: int | None) -> None:
        wanted = Ceilings(api, messages)
        await store.system_write(lambda tx: set_ceilings(tx, OPERATOR, place, wanted, now=clock.now()))
        await known.load()

    before = await store.system_read(lambda tx: tx.revocations.current())
    await put(500, 0)
    assert await store.system_read(lambda tx: tx.revocations.current()) > before
    assert known.messages(place, usual) is None
    write = known.api(place)[RateClass.WRITE]
    assert write is not None and write.quota == 50
    assert known.messages(WorkspaceId("ws_other"), usual) is usual and not known.api("ws_other")
    (facts,) = await acts(store, "limits.changed")
    assert facts["api"] == "500 a minute" and facts["messages"] == "none"
    await put(None, None)
    assert known.messages(place, usual) is usual and not known.api(place)


@pytest.mark.claim("RATE-1")
async def test_no_workspace_sets_its_own_limits(
    store: Store, clock: MovingClock, issue: Callable[..., Awaitable[Issued]]
) -> None:
    """A member of whatever role is refused, and a transaction of a workspace does not reach the table at all."""

    async def put(actor: Actor, place: str, ceilings: Ceilings) -> None:
        await store.system_write(lambda tx: set_ceilings(tx, actor, WorkspaceId(place), ceilings, now=clock.now()))

    with pytest.raises(Forbidden):
        await put(OWNER, WS_ID, Ceilings(1, 1))
    with pytest.raises(Invalid):
        await put(OPERATOR, WS_ID, Ceilings(-1, None))
    with pytest.raises(NotFound):
        await put(OPERATOR, "ws_" + "0" * 26, Ceilings(1, 1))

    async def directly(tx: Tx) -> None:
        await tx.ceilings.put(WorkspaceId(WS_ID), Ceilings(0, 0))

    with pytest.raises(Exception, match=r"denied|not authorized|prohibited"):
        await store.write(WS_ID, directly)
