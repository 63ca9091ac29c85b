"""Letters go out from a domain of the installation, and only their recipient reads them."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.candidate import Candidate
from mailward.app.knowledge import KnownDomain
from mailward.app.letters import Letters
from mailward.base import ids
from mailward.base.errors import Forbidden
from mailward.base.ids import WorkspaceId
from mailward.core.messages.model import LETTERS
from mailward.core.workspaces import change as workspaces
from mailward.policy.access import Actor, Permission
from tests.conftest import MovingClock, SeededEntropy

RAW = b"a" * 16
OWN = KnownDomain(b"d" * 16, "example.com", False, False, "bounce.example.com")
RESERVED = KnownDomain(b"e" * 16, "demo.mailward.test", True, False, "bounce.demo.mailward.test")


async def _letters(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy, domains: list[KnownDomain], **other: Any
) -> tuple[Letters, list[tuple[Actor, Candidate]]]:
    sent: list[tuple[Actor, Candidate]] = []

    async def accept(actor: Actor, candidate: Candidate) -> None:
        sent.append((actor, candidate))

    id = WorkspaceId(ids.encode("ws", RAW))
    founder = Actor(id, "cli", "cli", frozenset(Permission))
    await store.system_write(
        lambda tx: workspaces.create(tx, founder, "First", now=clock.now(), entropy=entropy, id=id)
    )
    known = {d.name: d for d in domains}
    made = Letters(
        store, domains=lambda workspace: known, accept=other.pop("accept", accept), clock=clock, entropy=entropy,
        capture=other.pop("capture", False), **other,
    )  # fmt: skip
    return made, sent


async def test_a_letter_is_a_signed_message_of_the_installation_to_one_person(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """A letter comes from the installation's own domain, under the actor by which letters are known."""
    letters, sent = await _letters(store, clock, entropy, [RESERVED, OWN])
    assert await letters.send("ann@else.example", "Your code", "It is 123456.\n", "sign-in-code")
    [(actor, candidate)] = sent
    assert (actor.id, actor.permissions) == (LETTERS, frozenset({Permission.MESSAGE_SEND}))
    assert candidate.mail_from == "mailward@example.com"
    assert candidate.tags == ("sign-in-code",)
    read = message_from_bytes(candidate.content, policy=policy.default)
    assert read["To"] == "ann@else.example"
    assert read["Auto-Submitted"] == "auto-generated"
    assert "123456" in read.get_content()


async def test_without_a_domain_that_may_send_nobody_is_promised_a_letter(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """The reserved domain sends in capture mode only; without another one the answer is no."""
    letters, sent = await _letters(store, clock, entropy, [RESERVED])
    assert not await letters.able()
    assert not await letters.send("ann@else.example", "Your code", "x", "sign-in-code")
    assert sent == []


async def test_a_refusal_is_an_answer_and_no_failure(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """A letter the platform would not accept is told to whoever asked, as a no."""

    async def refuse(actor: Actor, candidate: Candidate) -> None:
        raise Forbidden("sending_paused", "Sending is paused.")

    letters, _ = await _letters(store, clock, entropy, [OWN], accept=refuse)
    assert not await letters.send("ann@else.example", "Your code", "x", "sign-in-code")
