"""A stranger's report is sealed, answered in time or alerted about, and followed with one token."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mailward.app.store import Store
from mailward.base.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.disclosure import intake
from mailward.core.disclosure.deadline import after_business_days
from mailward.core.disclosure.intake import (
    follow,
    move,
    note_answered,
    note_overdue,
    open_message,
    open_report,
    receive,
    receive_mail,
)
from mailward.core.disclosure.model import Content, Mailed, Origin, ReportState
from mailward.policy.access import Actor, Role
from tests.conftest import MovingClock, SeededEntropy
from tests.core.conftest import WS_ID

pytestmark = pytest.mark.claim("INCIDENT-2")

OPERATOR = Actor(WorkspaceId(""), "cli", "cli")
WORDS = Content(title="A hole", what="It is open.", contact="finder@example.com")


class Reversed:
    """Stands for the vault: what it seals does not read the same, and opens under its own id only."""

    def seal(self, id: str, plain: bytes) -> bytes:
        return id.encode() + plain[::-1]

    def open(self, id: str, sealed: bytes) -> bytes:
        assert sealed.startswith(id.encode())
        return sealed[len(id) :][::-1]


SEAL = Reversed()


async def reported(store: Store, now: datetime, entropy: SeededEntropy, content: Content = WORDS) -> Any:
    return await store.system_write(lambda tx: receive(tx, content, SEAL, now=now, entropy=entropy))


async def answer(store: Store, id: str, state: ReportState, words: str, now: datetime) -> None:
    await store.system_write(lambda tx: move(tx, OPERATOR, id, state, words, SEAL, now=now))


async def overdue(store: Store, now: datetime) -> list[str]:
    return [r.alerted for r in await store.system_write(lambda tx: note_overdue(tx, now=now))]


async def test_a_report_is_sealed_and_followed_by_its_token(
    store: Store, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """The stored row holds neither words nor token; the token opens it, another does not."""
    report, token = await reported(store, clock.now(), entropy)
    (row,) = await store.system_read(lambda tx: tx.reports.newest(5))
    assert b"It is open" not in row.content
    assert token.reveal().encode() not in row.token_hash + row.content
    seen, content = await store.system_read(lambda tx: follow(tx, token.reveal(), SEAL))
    assert (seen.id, content) == (report.id, WORDS)
    with pytest.raises(NotFound):
        await store.system_read(lambda tx: follow(tx, token.reveal()[::-1], SEAL))


async def test_an_answer_acknowledges_and_reaches_the_reporter(
    store: Store, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """From received to fixed along the table; a move that is not in it is refused."""
    report, token = await reported(store, clock.now(), entropy)
    with pytest.raises(Conflict):
        await answer(store, report.id, ReportState.FIXED, "", clock.now())
    for state, words in (("acknowledged", "Thank you."), ("confirmed", ""), ("fixed", "Mended.")):
        await answer(store, report.id, ReportState(state), words, clock.move(hours=1))
    seen, content = await store.system_read(lambda tx: follow(tx, token.reveal(), SEAL))
    assert seen.state is ReportState.FIXED
    assert [text for _, text in content.answers] == ["Thank you.", "Mended."]
    assert seen.acknowledged == report.at + timedelta(hours=1)


async def test_a_missed_deadline_is_told_once(store: Store, clock: MovingClock, entropy: SeededEntropy) -> None:
    """A reminder the day before, an alert when it is late, each once; an acknowledged report gives none."""
    await reported(store, clock.now(), entropy)  # Wednesday
    answered, _ = await reported(store, clock.now(), entropy)
    await answer(store, answered.id, ReportState.ACKNOWLEDGED, "Hello.", clock.now())
    steps = []
    for hours in (20, 10, 10, 10, 10):
        steps += await overdue(store, clock.move(hours=hours))
    assert steps == ["reminded", "missed"]


async def test_only_operators_read_reports(store: Store, clock: MovingClock, entropy: SeededEntropy) -> None:
    """A workspace's manager cannot; an operator's reading is audited."""
    report, _ = await reported(store, clock.now(), entropy)
    manager = Actor(WorkspaceId(WS_ID), "session", "usr_x", role=Role.MANAGER)
    with pytest.raises(Forbidden):
        await store.system_write(lambda tx: open_report(tx, manager, report.id, SEAL, now=clock.now()))
    await store.system_write(lambda tx: open_report(tx, OPERATOR, report.id, SEAL, now=clock.now()))
    rows = await store.system_read(
        lambda tx: tx.audit.page(bytes(16), before=None, limit=9, act=None, since=None, until=None)
    )
    assert [r.act for r in rows] == ["report.read", "report.received"]


async def test_a_flood_ends(
    store: Store, clock: MovingClock, entropy: SeededEntropy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a day's number reports are refused, and taken again the day after; an empty one never."""
    monkeypatch.setattr(intake, "A_DAY_AT_MOST", 2)
    for _ in range(2):
        await reported(store, clock.now(), entropy)
    with pytest.raises(LimitReached):
        await reported(store, clock.now(), entropy)
    await reported(store, clock.move(hours=25), entropy)
    with pytest.raises(Invalid):
        await reported(store, clock.now(), entropy, Content(title=" ", what="x"))


@pytest.mark.parametrize(
    ("came", "due", "holidays"),
    [
        ("2026-03-04T05:06", "2026-03-06T05:06", ()),  # Wednesday to Friday
        ("2026-03-05T23:59", "2026-03-09T23:59", ()),  # Thursday over the weekend
        ("2026-03-06T12:00", "2026-03-10T12:00", ()),  # Friday
        ("2026-03-07T12:00", "2026-03-11T00:00", ()),  # Saturday counts as Monday's first instant
        ("2026-12-24T10:00", "2026-12-29T10:00", (date(2026, 12, 25),)),
        ("2026-12-31T10:00", "2027-01-05T10:00", (date(2027, 1, 1),)),
    ],
)
def test_business_days(came: str, due: str, holidays: tuple[date, ...]) -> None:
    """Two of them, over weekends, holidays and the turn of the year."""
    at = datetime.fromisoformat(came).replace(tzinfo=UTC)
    assert after_business_days(at, 2, holidays) == datetime.fromisoformat(due).replace(tzinfo=UTC)


async def mailed(store: Store, now: datetime, entropy: SeededEntropy, message: bytes) -> Any:
    words = Content(title="t" * 300, what="w", mail=Mailed(dmarc="pass", domain="example.com", silent=""))
    digest = message.rjust(32)
    return await store.system_write(lambda tx: receive_mail(tx, words, message, digest, SEAL, now=now, entropy=entropy))


async def test_a_mailed_report_keeps_its_message_once(store: Store, clock: MovingClock, entropy: SeededEntropy) -> None:
    """Sealed apart from the row, opened for operators only and audited; the same message again is no second report."""
    report, token = await mailed(store, clock.now(), entropy, b"the message")
    assert await mailed(store, clock.now(), entropy, b"the message") is None
    (row,) = await store.system_read(lambda tx: tx.reports.newest(5))
    assert (row, row.origin) == (report, Origin.MAIL)
    kept = await store.system_read(lambda tx: tx.reports.message(report.id))
    assert kept is not None and b"the message" not in kept
    opened = await store.system_write(lambda tx: open_message(tx, OPERATOR, report.id, SEAL, now=clock.now()))
    assert opened == b"the message"
    await store.system_write(lambda tx: note_answered(tx, report.id, SEAL))
    _, content = await store.system_read(lambda tx: follow(tx, token.reveal(), SEAL))
    assert (len(content.title), content.mail and content.mail.answered) == (200, True)
    with pytest.raises(Forbidden):
        await store.system_write(
            lambda tx: open_message(
                tx,
                Actor(WorkspaceId(WS_ID), "session", "u", frozenset(), Role.MANAGER),
                report.id,
                SEAL,
                now=clock.now(),
            )
        )
    form, _ = await reported(store, clock.now(), entropy)
    with pytest.raises(NotFound):
        await store.system_write(lambda tx: open_message(tx, OPERATOR, form.id, SEAL, now=clock.now()))


async def test_mail_and_form_are_counted_apart(
    store: Store, clock: MovingClock, entropy: SeededEntropy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day's fill of mail turns away mail, and the form goes on."""
    monkeypatch.setattr(intake, "MAILS_A_DAY", 1)
    await mailed(store, clock.now(), entropy, b"one")
    with pytest.raises(LimitReached):
        await mailed(store, clock.now(), entropy, b"two")
    await reported(store, clock.now(), entropy)
    clock.move(days=1, seconds=1)
    await mailed(store, clock.now(), entropy, b"two")
