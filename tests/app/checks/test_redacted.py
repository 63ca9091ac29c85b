"""PRIVACY-2's checks: a platform that forgets to conceal, to redact, to delete a key, or to keep time is found out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mailward.adapters.vault.vault import Vault
from mailward.app.checks import redacted
from mailward.app.checks.marked import Rehearsal
from mailward.app.context import Context
from mailward.core.evidence.model import Result
from mailward.core.messages.model import DeliveryState
from mailward.core.workspaces.data_keys import DataKeys
from mailward.policy.redaction import Mode, Redaction, Rule


@pytest.fixture
def context(store: Any, clock: Any, entropy: Any) -> Context:
    """What the checks look at: a store, and a clock that is moved."""
    installation = SimpleNamespace(now_us=lambda: int(clock.now().timestamp() * 1_000_000))
    return cast(Context, SimpleNamespace(store=store, entropy=entropy, installation=installation))


async def nothing(*args: object, **kw: object) -> int:
    """Stands in for a step that was left out."""
    return 0


def as_it_was(submission: Any, content: bytes, *rest: object) -> tuple[Any, bytes]:
    """Conceals nothing."""
    return submission, content


@pytest.mark.claim("PRIVACY-2")
async def test_a_mark_that_stays_is_found(entropy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, the check passes; with one step of the platform left out it says where the mark is."""
    check, context = redacted.a_mark_is_nowhere_after_delivery, cast(Context, SimpleNamespace(entropy=entropy))
    assert (await check(context)).result is Result.PASSED
    for place, stand_in, said in (
        ("mailward.app.platform.acceptance.conceal", as_it_was, "before delivery the mark is found in messages"),
        ("mailward.app.inbound.desk.conceal_received", as_it_was, "of received mail the mark is found in received"),
        ("mailward.core.delivery.settle.ended", nothing, "a key is left after the last outcome"),
        ("mailward.core.delivery.attempt.reduced.attempt", lambda facts, fields: facts, "written to attempts"),
        ("mailward.app.redacting.past.redact_received", nothing, "the mark is found in received"),
        ("mailward.app.redacting.past.redact_sent", nothing, "the mark is found in messages"),
        ("mailward.app.retention.overwrite", nothing, "the body opens where it lay"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, stand_in)
            found = await check(context)
        assert (found.result, said in found.evidence) == (Result.FAILED, True), (place, found.evidence)


@pytest.mark.claim("PRIVACY-2")
async def test_what_is_overdue_is_noticed(context: Context, clock: Any, entropy: Any, tmp_path: Any) -> None:
    """A message that has ended for two hours and was not redacted, and a key that outlived its message."""
    check = redacted.rules_are_kept
    vault = Vault(tmp_path / "other-keys", entropy, now=clock.now())
    rehearsal = Rehearsal(context.store, DataKeys(context.store, vault.service, entropy), clock, entropy)
    await rehearsal.make(Mode.REDACT)
    await rehearsal.accept("mark")
    await rehearsal.deliver(rehearsal.works[0])
    assert (await check(context)).result is Result.PASSED
    clock.move(hours=2)
    assert (await check(context)).result is Result.FAILED
    await rehearsal.upkeep()
    assert (await check(context)).result is Result.PASSED
    await rehearsal.rules(Redaction(body=Rule(Mode.NEVER)))
    id = await rehearsal.accept("mark", kept=False)
    clock.move(hours=2)
    await rehearsal.upkeep()
    assert (await check(context)).result is Result.PASSED  # it is still to be sent
    states = list(DeliveryState)
    await context.store.write(
        rehearsal.workspace,
        lambda tx: tx.deliveries.move(id, states, DeliveryState.EXPIRED, due=0, now=rehearsal.now_us(), reason=None),
    )
    found = await check(context)
    assert (found.result, "keys of 1 messages" in found.evidence) == (Result.FAILED, True)
