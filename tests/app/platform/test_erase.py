"""Erasing one message, and asking for content that is no longer kept: the platform's area on the real store."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from mailward.adapters.storage.records import HEAD, BodyRef
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.segments import segment_path
from mailward.app.bodies import Bodies
from mailward.app.platform import messages as area
from mailward.app.platform.messages import Messages
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from mailward.core.messages.model import AttemptFacts, DeliveryState
from mailward.core.webhooks.enqueue import body_of
from mailward.core.webhooks.model import Event
from mailward.core.workspaces.model import WorkspaceSettings
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.messages import MessageQuery
from mailward.policy.access import Actor, Permission
from tests.app.retention_rig import SEARCH_KEY, A, B, Rig, manager
from tests.conftest import MovingClock, SeededEntropy

CONTENT = b"Subject: hello\r\n\r\nplanted-marker-7d1f\r\n"


@pytest.fixture
async def rig(store: SqliteStore, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path) -> Rig:
    made = Rig(store, clock, entropy, tmp_path / "data")
    await made.workspace(A)
    await made.workspace(B)
    return made


@pytest.fixture
def messages(rig: Rig) -> Messages:
    return Messages(
        rig.store, None, Bodies(rig.store, rig.keys), now_us=rig.now_us,
        search_key=lambda workspace: SEARCH_KEY, wake=lambda: None,
    )  # fmt: skip


async def octets(rig: Rig, body: tuple[int, int, int]) -> bytes:
    """What lies where a body was."""
    ref = BodyRef(*body)
    with segment_path(rig.folder / "segments", ref.segment).open("rb") as f:
        f.seek(ref.offset)
        return f.read(ref.length)


@pytest.mark.claim("PRIVACY-1")
async def test_an_erased_message_is_in_no_table_and_its_octets_are_zeros(rig: Rig, messages: Messages) -> None:
    """Rows, tokens, events and content go with the answer; its neighbour in the same segment stays."""
    id, neighbour = await rig.accept(CONTENT), await rig.accept(CONTENT)
    await rig.index()
    name, scope = ids.encode("msg", id), ids.encode("ws", A)
    facts = AttemptFacts("delivered", "", 250, "", "ok", "h", "::1", "", "", {}, [], 1, ())
    from mailward.core.messages.model import FACTS_ENCODER

    at = rig.now_us() + 5_000
    event = Event(ids.new_raw(at // 1000, rig.entropy), "message.delivered", at, {"message": name, "to": "b@x.test"})
    other = Event(ids.new_raw(at // 1000, rig.entropy), "message.delivered", at, {"message": "msg_other"})

    async def history(tx: object) -> None:
        await tx.deliveries.add_attempts([(id, 0, 1, at, FACTS_ENCODER.encode(facts))])  # type: ignore[attr-defined]
        rows = [(e.id, e.type, e.at, body_of(e)) for e in (event, other)]
        await tx.webhooks.add_events(rows)  # type: ignore[attr-defined]

    await rig.store.write(scope, history)
    found = await rig.message(id)
    assert found is not None
    assert found.body is not None
    await messages.erase(manager(A), name)

    for table, column in (
        ("t_messages", "id"), ("t_deliveries", "message"), ("t_attempts", "message"),
        ("t_timeline", "message"), ("t_search", "message"),
    ):  # fmt: skip
        assert await rig.rows(f"SELECT 1 FROM {table} WHERE {column} = ?", id) == [], table
    assert await rig.rows("SELECT id FROM t_webhook_events") == [(other.id,)]
    assert await rig.rows("SELECT 1 FROM t_erasures") == []
    assert set((await octets(rig, found.body))[HEAD:]) == {0}
    assert await rig.read(neighbour) == CONTENT
    ((target,),) = await rig.rows("SELECT leaf FROM t_audit WHERE act = 'message.erased'")
    (kept,) = await rig.facts("message.erased")
    assert name.encode() in target
    assert "x.test" not in kept
    with pytest.raises(NotFound):
        await messages.erase(manager(A), name)


@pytest.mark.claim("PRIVACY-1")
async def test_what_a_crash_left_unwritten_is_overwritten_by_upkeep(
    rig: Rig, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the commit and the zeros: the place is noted, and the next run does it."""
    id = await rig.accept(CONTENT)
    found = await rig.message(id)
    assert found is not None
    assert found.body is not None

    async def killed(*anything: object) -> None:
        raise Unavailable("stopping", "The server is stopping.")

    monkeypatch.setattr(area, "overwrite", killed)
    await messages.erase(manager(A), ids.encode("msg", id))
    assert await rig.message(id) is None
    assert set((await octets(rig, found.body))[HEAD:]) != {0}
    assert (await rig.keep()).bodies == 1
    assert set((await octets(rig, found.body))[HEAD:]) == {0}
    assert (await rig.keep()).bodies == 0


async def test_a_message_under_way_is_not_erased_and_one_that_waits_is(rig: Rig, messages: Messages) -> None:
    """Leased: a conflict, all is there. Queued and held: it goes and is never sent."""
    leased = await rig.accept(CONTENT, state=DeliveryState.LEASED)
    with pytest.raises(Conflict):
        await messages.erase(manager(A), ids.encode("msg", leased))
    assert await rig.read(leased) == CONTENT
    for state in (DeliveryState.QUEUED, DeliveryState.HELD):
        id = await rig.accept(CONTENT, state=state)
        await messages.erase(manager(A), ids.encode("msg", id))
        assert await rig.rows("SELECT 1 FROM t_deliveries WHERE message = ?", id) == []


@pytest.mark.claim("AUTHZ-1")
async def test_erasing_needs_its_permission_and_the_messages_own_workspace(rig: Rig, messages: Messages) -> None:
    """Somebody who may read and change may not erase; another tenant finds nothing."""
    id = await rig.accept(CONTENT)
    name = ids.encode("msg", id)
    reader = Actor(manager(A).workspace, "key", "key_x", frozenset(Permission) - {Permission.MESSAGE_ERASE})
    with pytest.raises(Forbidden):
        await messages.erase(reader, name)
    with pytest.raises(NotFound):
        await messages.erase(manager(B), name)
    assert await rig.read(id) == CONTENT


async def test_what_is_still_to_be_sent_is_not_sent_again(rig: Rig, messages: Messages) -> None:
    """409 while a copy waits or is under way: it would arrive twice."""
    id = ids.encode("msg", await rig.accept(CONTENT, state=DeliveryState.LEASED))
    with pytest.raises(Conflict) as refused:
        await messages.resend(manager(A), id)
    assert (refused.value.code, status_of(refused.value)) == ("still_waiting", 409)


async def test_a_search_for_what_is_no_word_is_refused(messages: Messages) -> None:
    """It would be no condition, and the answer everything there is."""
    for subject in ("会", "C+", "%", "3", "🎉"):
        with pytest.raises(Invalid) as refused:
            await messages.find(manager(A), MessageQuery(subject=subject))
        assert (refused.value.code, refused.value.field) == ("invalid_parameter", "subject")


@pytest.mark.claim("PRIVACY-1")
async def test_content_past_its_term_answers_gone_since_when(rig: Rig, messages: Messages) -> None:
    """raw, content and resend say 410 with the time; explain and the timeline still answer."""
    await rig.workspace(A, WorkspaceSettings(content_days=1))
    id = await rig.accept(CONTENT)
    name = ids.encode("msg", id)
    rig.clock.move(days=1, minutes=1)
    await rig.keep()
    for ask in (partial(messages.raw, manager(A), name), partial(messages.content, manager(A), name),
                partial(messages.resend, manager(A), name)):  # fmt: skip
        with pytest.raises(NotFound) as refused:
            await ask()
        assert (refused.value.code, status_of(refused.value)) == ("content_gone", 410)
        assert "since 2026-03-05 05:07 UTC" in refused.value.public
    detail = await messages.get(manager(A), name)
    assert (detail.subject, detail.content_gone_at) == ("hello there", rig.clock.now())
    assert (await messages.explain(manager(A), name)).status == "delivered"
    assert [e.type for e in (await messages.events(manager(A), name)).data] == ["accepted", "content_gone"]
