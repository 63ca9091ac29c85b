"""Sessions answered from memory: how often the store is asked, and what makes them forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from mailward.base.errors import Unauthenticated
from mailward.base.ids import SessionId, UserId, WorkspaceId
from mailward.core.identity import tokens
from mailward.core.identity.known import KnownSessions
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import SESSION_ABSOLUTE, Session

T0 = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass
class Keeper:
    """The epoch of a doorkeeper, moved by hand."""

    epoch: int = 1
    told: list[Any] = field(default_factory=list)

    def on_change(self, call: Any) -> None:
        self.told.append(call)

    def move(self) -> None:
        self.epoch += 1
        for call in self.told:
            call()


class Rig:
    def __init__(self, entropy: Any) -> None:
        self.keeper = Keeper()
        self.known: KnownSessions[str] = KnownSessions(cast("Doorkeeper", self.keeper))
        self.token = tokens.new_token(tokens.SESSION, entropy).reveal()
        self.session: Session | None = Session(
            SessionId("ses_1"), UserId("usr_1"), WorkspaceId("ws_1"), T0, T0, "browser", "192.0.2.1"
        )
        self.reads = 0
        self.meanwhile: Any = lambda: None

    async def read(self) -> tuple[Session, str]:
        self.reads += 1
        found = self.session
        self.meanwhile()
        if found is None:
            raise Unauthenticated("unauthenticated", "No.")
        return found, "Ann"

    async def ask(self, at: datetime = T0, ip: str = "192.0.2.1") -> str:
        return await self.known.resolve(self.token, ip, self.read, now=at)


@pytest.fixture
def rig(entropy: Any) -> Rig:
    return Rig(entropy)


async def test_a_session_in_use_is_read_once_a_minute(rig: Rig) -> None:
    """Sixty asks within a minute are one read; the next minute begins with another."""
    for second in range(60):
        assert await rig.ask(T0 + timedelta(seconds=second)) == "Ann"
    assert rig.reads == 1
    await rig.ask(T0 + timedelta(seconds=60))
    assert rig.reads == 2


@pytest.mark.asvs("7.4.1")
async def test_an_epoch_that_moves_ends_what_is_known(rig: Rig) -> None:
    """After a revocation is adopted the next ask reads, and is refused."""
    await rig.ask()
    rig.session = None
    assert await rig.ask() == "Ann", "until the epoch moves nothing is asked"
    rig.keeper.move()
    with pytest.raises(Unauthenticated):
        await rig.ask()


async def test_what_a_revocation_overtook_is_not_kept(rig: Rig) -> None:
    """A read that began before the revocation was adopted and ended after it is good for its own answer only."""
    rig.meanwhile = rig.keeper.move
    await rig.ask()
    rig.session, rig.meanwhile = None, lambda: None
    with pytest.raises(Unauthenticated):
        await rig.ask()


async def test_another_address_is_another_question(rig: Rig) -> None:
    """What was allowed from one network says nothing about another."""
    await rig.ask()
    await rig.ask(ip="198.51.100.7")
    assert rig.reads == 2


async def test_the_limits_of_age_hold_in_memory(rig: Rig) -> None:
    """A session that grows too old between two asks is read again, which refuses it."""
    assert rig.session is not None
    born = T0 - SESSION_ABSOLUTE + timedelta(seconds=10)
    rig.session = replace(rig.session, created=born)
    await rig.ask()
    rig.session = None
    with pytest.raises(Unauthenticated):
        await rig.ask(T0 + timedelta(seconds=10))


async def test_a_session_that_lacks_a_factor_is_not_kept(rig: Rig) -> None:
    """It is asked about each time, so that showing the factor opens it at once."""
    assert rig.session is not None
    rig.session = replace(rig.session, missing="step-up")
    await rig.ask()
    await rig.ask()
    assert rig.reads == 2


async def test_signing_out_is_known_at_once(rig: Rig) -> None:
    """The process that ended a session forgets it without waiting for the epoch."""
    await rig.ask()
    rig.session = None
    rig.known.forget(rig.token)
    with pytest.raises(Unauthenticated):
        await rig.ask()
