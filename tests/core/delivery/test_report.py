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
    (work,) = await store.system_write(lambda tx: lease(tx, 5, now=T0, until=T0 + MINUTE, limit=300, turn=0))
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


def shared(cause: str, *named: RecipientVerdict, n: int | None = 0, key: str = "k1") -> Report:
    """A report to the return-path of several copies, of which `n` is the first."""
    return report(cause, *named, key=key)._replace(n=n, shared=True)


def who(address: str, cause: str = "no_mailbox", original: str = "") -> RecipientVerdict:
    return RecipientVerdict(address, cause, "5.1.1", original)


D, B = DeliveryState.DELIVERED, DeliveryState.BOUNCED
HARD = {"": "hard_bounce"}


@pytest.mark.parametrize("first", [0, None])
@pytest.mark.parametrize(
    "named",
    [
        who("c@x.test"),
        who("C@X.TEST."),
        who("zz@int.x.test", original="c@x.test"),
        who("b@x.test", original="C@x.test"),
    ],
)
async def test_of_a_shared_path_the_named_copy_is_settled(
    store: Store, named: RecipientVerdict, first: int | None
) -> None:
    """By the original recipient, else the final one, compared as on the suppression list; also on paths made before."""
    await delivered(store, "b@x.test", "c@x.test")
    assert await take(store, shared("no_mailbox", named, n=first)) is Taken.BOUNCED
    assert await take(store, shared("no_mailbox", named, n=first)) is Taken.AGAIN
    assert await seen(store, "c@x.test") == ([D, B], ["bounced"], HARD)
    assert (await seen(store, "b@x.test"))[2] == {}


async def test_of_a_shared_path_each_named_copy_is_settled_by_what_is_said_of_it(store: Store) -> None:
    """One is dead, one is full, one is not spoken of, one went to another domain."""
    await delivered(store, "a@x.test", "b@x.test", "c@x.test", "d@y.test")
    said_of = who("c@x.test"), who("b@x.test", "full"), who("d@y.test"), who("stranger@x.test")
    assert await take(store, shared("full", *said_of)) is Taken.BOUNCED
    assert await seen(store, "c@x.test") == ([D, D, B, D], ["bounced", "returned"], HARD)
    for other in ("a@x.test", "b@x.test", "d@y.test"):
        assert (await seen(store, other))[2] == {}


@pytest.mark.parametrize("cause", ["no_mailbox", "complaint", "opt_out", "full"])
@pytest.mark.parametrize("named", [(), ("rob@elsewhere.test",), ("d@y.test",)])
async def test_of_a_shared_path_nobody_is_guessed(store: Store, cause: str, named: tuple[str, ...]) -> None:
    """A report that names none of the copies that shared it is noted of the message, once, and silences nobody."""
    await delivered(store, "b@x.test", "c@x.test", "d@y.test")
    item = shared(cause, *(who(address, cause) for address in named))
    assert await take(store, item) is Taken.NOTED
    assert await take(store, item) is Taken.AGAIN
    for address in ("b@x.test", "c@x.test", "d@y.test"):
        assert await seen(store, address) == ([D, D, D], ["returned"], {})

    async def noted(tx: Tx) -> Any:
        ((_, _, facts),) = await tx.messages.timeline(MESSAGE)
        return json.loads(facts)

    facts = await store.read(WS_ID, noted)
    assert (facts["copy"], facts["cause"]) == (None, "full" if cause == "full" else "unnamed")


async def test_of_addresses_that_are_not_stored_the_named_one_is_found(store: Store) -> None:
    """By what is kept of it, the keyed hash; nothing of the address appears on the list."""
    gone = submission(1, "[redacted]", "[redacted]", redacted=("addresses",), tokens=tuple(
        token(TOKEN_KEY, address) for address in ("b@x.test", "c@x.test")
    ))  # fmt: skip
    await put(store, gone)
    (work,) = await store.system_write(lambda tx: lease(tx, 5, now=T0, until=T0 + MINUTE, limit=10, turn=0))
    await store.write_item(settle, WS, ended(work))
    assert await take(store, shared("no_mailbox", who("C@x.test"))) is Taken.BOUNCED
    assert await seen(store, "c@x.test") == ([D, B], ["bounced"], HARD)
    assert (await seen(store, "b@x.test"))[2] == {}


async def test_notes_on_a_shared_path_end_too(store: Store) -> None:
    """Twenty, as on any other."""
    await delivered(store, "b@x.test", "c@x.test")
    for n in range(NOTES_MAX):
        assert await take(store, shared("no_mailbox", key=f"k{n}")) is Taken.NOTED
    assert await take(store, shared("no_mailbox", key="more")) is Taken.UNKNOWN


async def test_a_complaint_to_a_shared_path_counts_for_the_one_it_names(store: Store) -> None:
    """Several are only those the message went to: which of them complained is not said."""
    await delivered(store, "b@x.test", "c@x.test")
    both = shared("complaint", who("b@x.test", "complaint"), who("c@x.test", "complaint"), key="both")
    assert await take(store, both) is Taken.NOTED
    assert await take(store, shared("complaint", who("C@x.test", "complaint"))) is Taken.COMPLAINED
    assert await seen(store, "c@x.test") == ([D, D], ["complained", "returned"], {"": "complaint"})
    assert (await seen(store, "b@x.test"))[2] == {}


async def test_a_shared_path_is_not_copy_255(store: Store) -> None:
    """Not with three hundred recipients either, on a path made before or now."""
    await delivered(store, *(f"u{n}@x.test" for n in range(300)))
    assert await take(store, shared("complaint", n=None, key="a")) is Taken.NOTED
    assert await take(store, shared("complaint", who("u3@x.test", "complaint"), n=None)) is Taken.COMPLAINED
    assert await take(store, shared("no_mailbox", who("u4@x.test"), n=255, key="b")) is Taken.BOUNCED
    assert await take(store, report("no_mailbox", n=255, key="c")) is Taken.BOUNCED
    states, _, listed = await seen(store, "u3@x.test")
    assert [n for n, state in enumerate(states) if state is B] == [4, 255]
    assert listed == {"": "complaint"}


async def test_a_former_shared_path_is_of_copies_that_had_company(store: Store) -> None:
    """A copy that was alone at its domain had a path of its own."""
    await delivered(store, "a@y.test", "b@x.test", "c@x.test")
    assert await take(store, shared("no_mailbox", who("a@y.test"), n=None)) is Taken.NOTED
    assert await take(store, shared("no_mailbox", n=9, key="other")) is Taken.UNKNOWN
    assert (await seen(store, "a@y.test"))[0] == [D, D, D]


async def test_a_report_to_a_shared_path_that_comes_too_early_changes_nothing(store: Store) -> None:
    """While a copy it names is leased, the reporter is to try again."""
    await delivered(store, "b@x.test", "c@x.test", state=DeliveryState.LEASED)
    assert await take(store, shared("no_mailbox", who("c@x.test"))) is Taken.EARLY
    assert (await seen(store))[1] == []


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
