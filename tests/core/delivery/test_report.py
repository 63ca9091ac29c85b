"""Reports that come back later, settled onto the copy they are about."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.delivery.lease import lease
from mailward.core.delivery.model import Settled, Work
from mailward.core.delivery.report import BOUNCE_MAX_AGE_US, NOTES_MAX, Report, Reports, Taken
from mailward.core.delivery.settle import Settling
from mailward.core.messages.model import AttemptFacts, DeliveryState
from mailward.core.suppression.model import token
from mailward.core.webhooks.model import Endpoint, JobState
from mailward.core.workspaces.model import Workspace, WorkspaceSettings
from mailward.policy.returned.model import CAUSES, BounceVerdict, RecipientVerdict
from tests.conftest import SeededEntropy
from tests.core.conftest import T0, TOKEN_KEY, WS, WS_ID, put, submission

MINUTE = 60_000_000
reports = Reports(lambda workspace: TOKEN_KEY, SeededEntropy(3))
settle = Settling(lambda workspace: TOKEN_KEY, SeededEntropy()).settle
MESSAGE = submission(1).id


def said(cause: str, *recipients: RecipientVerdict, status: str = "5.1.1") -> BounceVerdict:
    c = CAUSES[cause]
    return BounceVerdict(c.kind, cause, status, c.sentence, "a test", recipients, text="550 said so")


def report(cause: str, *recipients: RecipientVerdict, n: int = 0, key: str = "k1", at: int = T0 + MINUTE) -> Report:
    return Report(MESSAGE, n, said(cause, *recipients), key, at)


async def delivered(store: Store, *recipients: str, state: DeliveryState = DeliveryState.DELIVERED) -> None:
    """A message whose copies have all been delivered."""
    await put(store, submission(1, *recipients))
    (work,) = await store.system_write(lambda tx: lease(tx, 5, now=T0, until=T0 + MINUTE, limit=10, turn=0))
    if state is DeliveryState.LEASED:
        return
    await store.write_item(settle, WS, ended(work, state))


def ended(work: Work, state: DeliveryState = DeliveryState.DELIVERED) -> list[Settled]:
    """How every copy of a work ended."""
    facts = AttemptFacts("delivered", "", 250, "2.0.0", "ok", "h", "127.0.0.1", "", "", {}, [], 1, ())
    return [Settled(work.id, c.n, c.recipient, 1, state, 0, T0, 5, None, facts, False, work.facts) for c in work.copies]


async def take(store: Store, item: Report, workspace: str = WS_ID) -> Taken:
    return await store.write(workspace, lambda tx: reports.take_report(tx, item))


async def seen(store: Store, recipient: str = "b@x.test") -> tuple[list[DeliveryState], list[str], dict[str, str]]:
    """States of the copies, moments of the timeline, and why the address is listed, by stream."""

    async def look(tx: Tx) -> Any:
        copies = (await tx.deliveries.of([MESSAGE]))[MESSAGE]
        moments = [moment for _, moment, _ in await tx.messages.timeline(MESSAGE)]
        mark = token(TOKEN_KEY, recipient)
        listed = (await tx.suppressions.among([mark])).get(mark, {})
        return [c.state for c in copies], moments, {k: v.value for k, v in listed.items()}

    return await store.read(WS_ID, look)


async def test_a_hard_bounce_ends_the_copy_and_lists_the_address(store: Store) -> None:
    """Delivered becomes bounced, with the reason a refusal at the door would have; the next message is not sent."""
    await delivered(store)
    assert await take(store, report("no_mailbox")) is Taken.BOUNCED
    assert await seen(store) == ([DeliveryState.BOUNCED], ["bounced"], {"": "hard_bounce"})

    async def reason(tx: Tx) -> str | None:
        return (await tx.deliveries.of([MESSAGE]))[MESSAGE][0].reason

    assert await store.read(WS_ID, reason) == "bad_mailbox"
    assert (await put(store, submission(2))).states == (DeliveryState.SUPPRESSED,)


@pytest.mark.parametrize("cause", [c for c in CAUSES if CAUSES[c].kind not in ("hard", "complaint")])
async def test_everything_else_is_only_noted(store: Store, cause: str) -> None:
    """Soft, full, block, content, answers and what is not understood: a moment of the timeline, nobody is silenced."""
    await delivered(store)
    assert await take(store, report(cause)) is Taken.NOTED
    assert await seen(store) == ([DeliveryState.DELIVERED], ["returned"], {})


async def test_a_complaint_lists_the_address_and_leaves_the_copy_delivered(store: Store) -> None:
    """It was delivered, or nobody could complain."""
    await delivered(store)
    assert await take(store, report("complaint")) is Taken.COMPLAINED
    assert await seen(store) == ([DeliveryState.DELIVERED], ["complained"], {"": "complaint"})


async def test_an_opt_out_counts_for_its_stream(store: Store) -> None:
    """Who wants no more of these still gets receipts."""
    await delivered(store)
    assert await take(store, report("opt_out")) is Taken.COMPLAINED
    assert (await seen(store))[2] == {"transactional": "unsubscribe"}


async def test_a_report_counts_once(store: Store) -> None:
    """The same report again, and another with the same news, change nothing and tell nobody."""
    await delivered(store)
    await listen(store)
    for cause, first in (("full", Taken.NOTED), ("complaint", Taken.COMPLAINED), ("no_mailbox", Taken.BOUNCED)):
        assert await take(store, report(cause, key=cause)) is first
        assert await take(store, report(cause, key=cause)) is Taken.AGAIN
    before = await seen(store)
    assert await take(store, report("complaint", key="other")) is Taken.AGAIN
    assert await take(store, report("no_mailbox", key="another")) is Taken.AGAIN
    assert await seen(store) == before
    assert sorted(await told(store)) == ["message.bounced", "message.complained"]


async def test_reports_end_where_people_stop_reading(store: Store) -> None:
    """Whoever knows a return-path cannot fill the timeline: twenty notes, and a hard bounce still counts."""
    await delivered(store)
    for n in range(NOTES_MAX):
        assert await take(store, report("refused", key=f"k{n}")) is Taken.NOTED
    assert await take(store, report("refused", key="more")) is Taken.UNKNOWN
    assert await take(store, report("no_mailbox", key="last")) is Taken.BOUNCED


async def test_a_report_about_somebody_else_silences_nobody(store: Store) -> None:
    """The recipient's mail was forwarded, and the address it went to is dead: the recipient is not."""
    await delivered(store)
    other = RecipientVerdict("rob@elsewhere.test", "no_mailbox", "5.1.1")
    assert await take(store, report("no_mailbox", other)) is Taken.NOTED
    assert await seen(store) == ([DeliveryState.DELIVERED], ["returned"], {})

    async def cause(tx: Tx) -> object:
        ((_, _, facts),) = await tx.messages.timeline(MESSAGE)
        return json.loads(facts)["cause"]

    assert await store.read(WS_ID, cause) == "forwarded"


async def test_of_several_recipients_our_own_counts(store: Store) -> None:
    """Whatever the report as a whole is, what it says of our recipient decides; case does not matter."""
    await delivered(store)
    full = RecipientVerdict("eve@x.test", "full", "4.2.2")
    dead = RecipientVerdict("new@y.test", "no_mailbox", "5.1.1", original="B@X.test")
    assert await take(store, Report(MESSAGE, 0, said("full", full, dead), "k", T0)) is Taken.BOUNCED


async def test_only_the_copy_it_is_about_changes(store: Store) -> None:
    """One message to two people: the other's copy stays delivered."""
    await delivered(store, "b@x.test", "c@x.test")
    assert await take(store, report("no_mailbox", n=1)) is Taken.BOUNCED
    assert await seen(store, "b@x.test") == ([DeliveryState.DELIVERED, DeliveryState.BOUNCED], ["bounced"], {})
    assert (await seen(store, "c@x.test"))[2] == {"": "hard_bounce"}


async def test_a_report_that_outruns_our_own_record_comes_back(store: Store) -> None:
    """While the copy is still leased, nothing is changed and the reporter is to try again."""
    await delivered(store, state=DeliveryState.LEASED)
    assert await take(store, report("no_mailbox")) is Taken.EARLY
    assert await seen(store) == ([DeliveryState.LEASED], [], {})


@pytest.mark.parametrize("cause", ["no_mailbox", "complaint"])
async def test_a_stale_report_changes_nothing(store: Store, cause: str) -> None:
    """Return-paths stand in archives for years."""
    await delivered(store)
    at = T0 + 4 * BOUNCE_MAX_AGE_US
    assert await take(store, report(cause, at=at)) is Taken.STALE
    assert await seen(store) == ([DeliveryState.DELIVERED], [], {})


async def test_a_report_reaches_its_own_workspace_only(store: Store) -> None:
    """In another workspace's transaction there is no such message; which workspace it is, only the store says."""
    await delivered(store)
    other = ids.encode("ws", b"z" * 16)
    assert await take(store, report("no_mailbox"), other) is Taken.UNKNOWN
    assert await take(store, report("no_mailbox", n=9)) is Taken.UNKNOWN
    assert await seen(store) == ([DeliveryState.DELIVERED], [], {})
    for raw in (b"0" * 16, WS, b"z" * 16):
        await store.system_write(partial(add_workspace, id=ids.encode("ws", raw)))
    assert await store.system_read(lambda tx: tx.deliveries.whose(MESSAGE)) == WS
    assert await store.system_read(lambda tx: tx.deliveries.whose(b"?" * 16)) is None


async def test_endpoints_are_told(store: Store) -> None:
    """message.bounced and message.complained, with the recipient, the code and that it came later."""
    await delivered(store)
    await listen(store)
    await take(store, report("complaint", key="a"))
    await take(store, report("no_mailbox", key="b"))
    events = await told(store)
    bounced, complained = events["message.bounced"], events["message.complained"]
    assert bounced["message"] == complained["message"] == ids.encode("msg", MESSAGE)
    assert (complained["recipient"], complained["reason"]) == ("b@x.test", "complaint")
    shown = {k: bounced[k] for k in ("recipient", "attempt", "enhanced", "text", "reason", "late")}
    assert shown == {
        "recipient": "b@x.test",
        "attempt": 1,
        "enhanced": "5.1.1",
        "text": "550 said so",
        "reason": "bad_mailbox",
        "late": True,
    }


HOOK = b"h" * 16


async def add_workspace(tx: Tx, id: str) -> None:
    created = datetime.fromtimestamp(T0 / 1e6, UTC)
    await tx.workspaces.insert(Workspace(WorkspaceId(id), "w", created, WorkspaceSettings()))


async def listen(store: Store) -> None:
    endpoint = Endpoint(HOOK, "https://x.test/", frozenset(), "", True, "", T0)
    await store.write(WS_ID, lambda tx: tx.webhooks.insert(endpoint))


async def told(store: Store) -> dict[str, dict[str, Any]]:
    """What the endpoint will be told of reports, by type."""

    async def look(tx: Tx) -> list[tuple[str, int, bytes] | None]:
        return [
            await tx.webhooks.event(t.event)
            for t in await tx.webhooks.told(HOOK, before=None, limit=50, state=JobState.PENDING)
        ]

    found = [json.loads(event[2]) for event in await store.read(WS_ID, look) if event is not None]
    return {e["type"]: e["data"] for e in found if e["type"] in ("message.bounced", "message.complained")}
