"""What a workspace does not want stored is nowhere, on every store; mail flows, and a dead address is remembered."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog import get_logger

from mailward.adapters.storage.records import BodyRef
from mailward.adapters.vault.vault import Vault
from mailward.app.checks.marked import Rehearsal, heard, told_all
from mailward.app.concealing import reveal_received
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import MailwardError, NotFound
from mailward.core.delivery.report import Report, Reports, Taken
from mailward.core.inbound import replay
from mailward.core.inbound.lease import lease
from mailward.core.inbound.model import CopyState, ReceivedFacts
from mailward.core.messages.model import Message
from mailward.core.suppression.model import token
from mailward.core.webhooks.enqueue import tell
from mailward.edges.workers.inbound import InboundWorker
from mailward.policy.redaction import FIELDS, REDACTED, Mode, Redaction, Rule
from mailward.policy.returned import classify

MARK = "mwmark1f7a0c"
_RETURNED = (
    "From: MAILER-DAEMON@x.invalid\r\nSubject: Undelivered\r\n"
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
    "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.invalid\r\n\r\n"
    f"Final-Recipient: rfc822; {MARK}@{MARK}.invalid\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    f"Diagnostic-Code: smtp; 550 5.1.1 {MARK} unknown\r\n\r\n--b--\r\n"
)


@pytest.fixture
def rehearsal(store: Store, clock: Any, entropy: Any, tmp_path: Path) -> Rehearsal:
    """A workspace to be made, with data keys of its own."""
    from mailward.core.workspaces.data_keys import DataKeys

    vault = Vault(tmp_path / "keys", entropy, now=clock.now())
    return Rehearsal(store, DataKeys(store, vault.service, entropy), clock, entropy)


async def message(r: Rehearsal, store: Store, id: bytes) -> Message:
    """As it is kept."""
    found = await store.read(r.workspace, lambda tx: tx.messages.get(id))
    assert found is not None
    return found


@pytest.mark.claim("PRIVACY-2")
@pytest.mark.parametrize("waited", [False, True], ids=["at once", "from the queue"])
async def test_what_is_never_stored_is_delivered_and_nowhere(rehearsal: Rehearsal, store: Store, waited: bool) -> None:
    """The mark reaches the other side; before and after it is in no row, event or token, and its key is gone."""
    r = rehearsal
    await r.make(Mode.NEVER)
    id = await r.accept(MARK, kept=not waited)
    assert await r.found(MARK) == []
    body = (await message(r, store, id)).body
    assert body is not None
    (work,) = (await r.leased()) if waited else r.works
    await r.deliver(work)
    assert [s.count(MARK) >= 4 for s in r.said] == [True, True]
    assert f"{MARK}@{MARK}.invalid" in r.said[0]
    assert f"orcpt=rfc822;{MARK}" in r.said[0]
    # Gone with the last outcome, not with a run of upkeep later.
    assert await store.read(r.workspace, lambda tx: tx.redaction.private(id)) is None
    with pytest.raises(MailwardError):
        await r.opens(id, BodyRef(*body))
    assert await r.found(MARK) == []
    await r.upkeep()
    assert await r.found(MARK) == []
    after = await message(r, store, id)
    assert (after.facts.subject, after.facts.to, after.body) == (REDACTED, REDACTED, None)
    assert after.facts.redacted == ("subject", "addresses", "body")
    assert await r.suppressed(MARK)


@pytest.mark.claim("PRIVACY-2")
async def test_what_is_redacted_is_there_until_the_last_outcome(rehearsal: Rehearsal, store: Store, clock: Any) -> None:
    """While a copy is under way all is kept; after it nothing is, in rows, events, tokens or octets."""
    r = rehearsal
    await r.make(Mode.REDACT)
    id = await r.accept(MARK)
    clock.move(minutes=1)
    await r.upkeep()
    assert "messages" in await r.found(MARK)
    body = (await message(r, store, id)).body
    assert body is not None
    await r.deliver(r.works[0])
    places = {*await r.found(MARK)}
    assert places >= {"messages", "deliveries", "attempts", "suppressions", "the search index, by to"}
    await r.upkeep()
    assert await r.found(MARK) == []
    with pytest.raises(MailwardError):
        await r.opens(id, BodyRef(*body))
    assert await r.suppressed(MARK)
    after = await message(r, store, id)
    assert (after.facts.redacted, after.facts.header_from) == (("subject", "addresses", "body"), REDACTED)
    assert (await store.read(r.workspace, lambda tx: tx.deliveries.attempts(id)))[0].facts.code == 250


@pytest.mark.claim("PRIVACY-2")
async def test_a_rule_that_is_switched_on_reaches_what_was_there(
    rehearsal: Rehearsal, store: Store, clock: Any
) -> None:
    """Kept as everything was; then one field after the other goes, each after its hours, and none comes back."""
    r = rehearsal
    await r.make(Mode.KEEP)
    id = await r.accept(MARK)
    await r.deliver(r.works[0])
    clock.move(minutes=1)
    await r.upkeep()
    assert (await message(r, store, id)).facts.redacted == ()
    await r.rules(Redaction(subject=Rule(Mode.REDACT, 2), addresses=Rule(Mode.NEVER)))
    await r.upkeep()
    assert (await message(r, store, id)).facts.redacted == ("addresses",)
    assert (await message(r, store, id)).body is not None
    clock.move(hours=2)
    await r.upkeep()
    found = await message(r, store, id)
    assert (found.facts.redacted, found.facts.subject) == (("subject", "addresses"), REDACTED)
    await r.rules(Redaction())
    await r.upkeep()
    assert (await message(r, store, id)).facts == found.facts
    marks = await store.read(r.workspace, lambda tx: tx.redaction.marks())
    assert marks == {}


@pytest.mark.claim("PRIVACY-2")
@pytest.mark.parametrize("mode", [Mode.NEVER, Mode.REDACT])
async def test_received_mail_is_handed_over_whole_and_then_nowhere(
    rehearsal: Rehearsal, store: Store, clock: Any, mode: Mode
) -> None:
    """The endpoint is told everything; then nothing of it is kept, and what it answered is not either."""
    r = rehearsal
    await r.make(mode)
    id = await r.receive(MARK)
    assert ("received" in await r.found(MARK)) is (mode is Mode.REDACT)
    clock.move(minutes=1)
    await r.upkeep()
    assert await r.hand_over(MARK)
    assert (await r.found(MARK) == []) is (mode is Mode.NEVER)
    await r.upkeep()
    assert await r.found(MARK) == []
    kept = await store.read(r.workspace, lambda tx: tx.inbound.received(id))
    assert kept is not None
    assert (kept.facts.redacted, kept.body, kept.facts.sha256) == (FIELDS, None, "")
    assert (kept.facts.spf.result, kept.facts.dmarc.result) == ("pass", "pass")


@pytest.mark.parametrize("field", ["addresses", "subject"])
async def test_what_lost_its_addresses_is_not_handed_over_again(
    rehearsal: Rehearsal, store: Store, clock: Any, entropy: Any, field: str
) -> None:
    """No endpoint is told "[redacted]" for whom a message was: the replay says why. Without its subject it is told."""
    r = rehearsal
    await r.make(Mode.KEEP)
    id = await r.receive(MARK)
    assert await r.hand_over(MARK)
    await r.rules(Redaction(**{field: Rule(Mode.REDACT)}))
    clock.move(minutes=1)
    await r.upkeep()
    now, name = clock.now(), ids.encode("rcv", id)
    (copy,) = (await store.read(r.workspace, lambda tx: tx.inbound.copies([id])))[id]
    route = ids.encode("rte", copy.route)
    again = partial(replay.replay_message, actor=r.actor, message=name, now=now, entropy=entropy)
    over = partial(replay.replay_range, actor=r.actor, route=route, failed_only=False, now=now, entropy=entropy)
    nameless = field == "addresses"
    if nameless:
        with pytest.raises(NotFound, match="message_redacted"):
            await store.write(r.workspace, again)
    progress = await store.write(r.workspace, over)
    assert progress.replay.total == 1
    posted: list[ReceivedFacts] = []

    class Endpoint:
        async def post(self, route: Any, id: bytes, at: int, facts: ReceivedFacts, *_: Any, **__: Any) -> Any:
            posted.append(facts)
            return SimpleNamespace(status=200, body=b"", elapsed_ms=1, retry_after=None)

    async def load(work: Any) -> bytes:
        return b"Subject: s\r\n\r\n"

    worker: Any = InboundWorker(
        store, Endpoint(), load, tell=tell, clock=clock, entropy=entropy, log=get_logger(),
        reveal=partial(reveal_received, r.bodies),
    )  # fmt: skip
    clock.move(seconds=1)
    works = await store.system_write(lambda tx: lease(tx, now=r.now_us(), turn=0))
    await worker.settle(r.workspace, [await worker.attempt(work) for work in works])
    counts = await store.read(r.workspace, lambda tx: tx.inbound.replay_counts(copy.route, progress.replay.id))
    attempts = await store.read(r.workspace, lambda tx: tx.inbound.attempts(id, before=None, limit=1))
    kept = await store.read(r.workspace, lambda tx: tx.inbound.route(copy.route))
    assert kept is not None and kept.enabled and kept.failing_since is None
    if nameless:
        assert (posted, counts, attempts[0].response) == ([], {CopyState.EXPIRED: 1}, replay.NAMELESS_TEXT)
    else:
        assert [f.recipients for f in posted] == [(f"{MARK}@{heard(MARK).recipients[0].rpartition('@')[2]}",)]
        assert counts == {CopyState.HANDED_OVER: 1}


@pytest.mark.claim("PRIVACY-2")
async def test_a_bounce_that_comes_after_the_redaction_still_lists_the_address(
    rehearsal: Rehearsal, store: Store, clock: Any, entropy: Any
) -> None:
    """By the keyed hash that the message keeps; what the report says in words is not kept."""
    r = rehearsal
    await r.make(Mode.NEVER)
    id = await r.accept(MARK)
    await r.deliver(r.works[0])
    verdict = classify(_RETURNED.encode())
    reports = Reports(lambda _: r.key, entropy)
    report = Report(id, 0, verdict, "key", r.now_us())
    assert await store.write(r.workspace, lambda tx: reports.take_report(tx, report)) is Taken.BOUNCED
    mine = token(r.key, f"{MARK}@{MARK}.invalid")
    assert await store.read(r.workspace, lambda tx: tx.suppressions.among([mine]))
    await store.write(r.workspace, told_all)
    assert await r.found(MARK) == []


async def test_a_cancelled_message_leaves_no_key(rehearsal: Rehearsal, store: Store) -> None:
    """Whatever ends without an attempt loses its private part as well."""
    from mailward.core.messages.change import cancel
    from mailward.core.webhooks.enqueue import tell
    from mailward.policy.access import Permission

    r = rehearsal
    await r.make(Mode.NEVER)
    id = await r.accept(MARK, kept=False)
    assert await store.read(r.workspace, lambda tx: tx.redaction.private(id)) is not None
    actor = replace(r.actor, permissions=frozenset(Permission))
    await store.write(r.workspace, lambda tx: cancel(tx, actor, id, now=r.now_us(), tell=tell))
    assert await store.read(r.workspace, lambda tx: tx.redaction.private(id)) is None
    assert await r.found(MARK) == []


def test_every_field_has_its_rule() -> None:
    """A rule is asked for by the name of its field."""
    rules = Redaction(ip=Rule(Mode.NEVER), body=Rule(Mode.REDACT, 3))
    assert [rules.rule(f).mode for f in FIELDS] == [Mode.KEEP, Mode.KEEP, Mode.NEVER, Mode.REDACT]
    assert rules.never() == ("ip",)
