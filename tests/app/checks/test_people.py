"""The checks of identities at other providers can fail."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest

from mailward.app.checks import people
from mailward.app.checks.people import forged_identities_are_refused, forgeries, unverified
from mailward.app.context import Context, cli_actor
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.evidence.model import Finding
from mailward.core.identity import invitations
from mailward.core.workspaces import change
from mailward.protocol.federation import id_token
from tests.app.public.conftest import Site
from tests.app.public.conftest import site as site


def test_a_reader_that_believes_everything_is_found_out() -> None:
    """Each forgery is told from the right token; whoever believes them all is named for all."""

    def believes(*_: Any, **__: Any) -> None:
        return None

    assert forgeries(id_token.verify, time.time(), bytes(range(32))) == ([], 7)
    wrong, _ = forgeries(believes, time.time(), bytes(range(32)))
    assert wrong == ["nonce", "audience", "issuer", "expired", "key", "unsigned"]


@pytest.mark.claim("AUTHN-4")
def test_an_address_that_nobody_verified_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a provider says, or does not say, of an address: only "I verified it" is believed."""

    def said(asking: Any, answers: list[Any]) -> str:
        """As one reads who takes what an identity token says."""
        real_said(asking, answers)
        return "somebody@evidence.invalid"

    assert unverified(time.time(), bytes(range(32))) == []
    real_said = people._said
    monkeypatch.setattr(people, "_said", said)
    assert len(unverified(time.time(), bytes(range(32)))) == 5
    monkeypatch.setattr(people, "_said", lambda asking, answers: "")
    assert unverified(time.time(), bytes(range(32))) == ["verified", "verified at GitHub"]


async def test_who_lets_any_address_join_is_found_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Joining with the invited address passes; where any address would do, the line is red. Nothing is left behind."""
    i = site.installation
    context = Context(i, cli_actor(WorkspaceId(ids.new("ws", i.clock.now(), i.entropy))))
    place = context.actor.workspace
    make = partial(change.create, actor=context.actor, name="W", now=i.clock.now(), entropy=i.entropy, id=place)
    await i.store.system_write(make)

    async def finding() -> Finding:
        found = await forged_identities_are_refused(context)
        assert isinstance(found, Finding)
        return found

    assert "its own verified address alone" in (await finding()).evidence
    assert await i.store.read(place, lambda tx: tx.entry.invitations(1)) == []

    async def any_will_do(tx: Tx, token: str, *_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(invitations, "accept_with", any_will_do)
    assert "should not" in (await finding()).evidence
