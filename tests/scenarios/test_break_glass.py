"""Break-glass with the real program: asked for, let through by a second person, read, seen, taken back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mailward.app.installation import Installation
from mailward.app.settings import load
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity.model import User
from mailward.core.operators import register
from mailward.policy.access import Actor, Permission
from tests.scenarios.holding_on import Browser
from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform

OWNER, ANN = "owner@example.org", "ann@ops.test"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    # With a hostname it is no capture mode, where the shell reads freely. Nothing is sent.
    with Platform(settings={"server.hostname": "mail.ours.test"}, paused=True, workers=1) as running:
        yield running


def within(platform: Platform, act: Any) -> None:
    """Something no command does: in a transaction of the same store, beside the running platform."""

    async def main() -> None:
        installation = Installation(load(str(platform.config), {}), worker=991)
        await installation.open()
        try:
            await installation.store.system_write(lambda tx: act(tx, installation))
        finally:
            await installation.close()

    asyncio.run(main())


async def a_person(tx: Tx, i: Installation) -> None:
    """Somebody with an account, as an invitation would make."""
    id = UserId(ids.new("usr", i.clock.now(), i.entropy))
    await tx.people.add_user(User(id, ANN, "Ann", "x", i.clock.now()))


async def two_days_pass(tx: Tx, i: Installation) -> None:
    """Nobody approves on their first day, and the machine's clock is not ours to move. Their files are filled too."""
    shell, now = Actor(WorkspaceId(""), "cli", "cli", frozenset(Permission)), i.clock.now()
    for one in await tx.operators.serving():
        await tx.operators.add(replace(one, made=one.made - timedelta(days=2)))
        for what in ("confidentiality", "background", "training"):
            await register.note(tx, shell, one.id, what, now, now=now)


@pytest.mark.timeout(120)
@pytest.mark.claim("AUTHZ-3")
@pytest.mark.claim("AUTHN-3")
def test_break_glass_from_the_shell_to_the_customers_log(platform: Platform) -> None:
    """Ann asks, nobody reads; Bob lets it through, Ann reads; the customer sees both and takes it back, and the same
    command is refused. Whoever is made an operator gets no further on the dashboard without a second factor."""
    workspace = platform.api("GET", "/v1/workspace")[1]["id"]
    with Browser.set_up(platform) as bob:
        assert bob.http.get("/messages").status_code == 200
        platform.cli_json("operator", "add", OWNER)
        # What was taken away is known to every worker within a second, not with the command's last word.
        wait_until(lambda: bob.http.get("/messages").status_code == 303, "the sessions to know", 1.0)
        for path in ("/messages", "/operator", "/audit"):
            led = bob.http.get(path)
            assert (led.status_code, led.headers.get("location")) == (303, "/security"), path
        assert bob.post("/security", "/operator/requests", {"workspace": workspace}) == 303
    within(platform, a_person)
    platform.cli_json("operator", "add", ANN)
    asking = (
        *("operator", "request", workspace, "metadata", "--as", ANN),
        *("--reason", "their mail does not arrive", "--ticket", "T-12"),
    )
    within(platform, two_days_pass)

    grant = platform.cli_json(*asking)["id"]
    reading = ("message", "list", "--workspace", workspace)
    early = platform.cli(*reading, "--grant", grant)
    assert early.returncode == 1 and "no live grant" in early.stderr, early.stderr
    assert platform.cli_json("operator", "approve", grant, "--as", OWNER)["state"] == "ready"
    assert platform.cli_json("operator", "begin", grant, "--as", ANN)["state"] == "live"
    assert platform.cli_json(*reading, "--grant", grant)["data"] == []
    without = platform.cli("received", "attempts", "msg_x", "--workspace", workspace)
    assert without.returncode == 1 and "takes a grant" in without.stderr, without.stderr

    status, listed = platform.api("GET", "/v1/operator-access")
    assert status == 200
    assert [(g["id"], g["operator"], g["state"], g["ticket"]) for g in listed["data"]] == [(grant, ANN, "live", "T-12")]
    assert platform.api("POST", f"/v1/operator-access/{grant}/revoke")[0] == 200
    again = platform.cli(*reading, "--grant", grant)
    assert again.returncode == 1 and "no live grant" in again.stderr, again.stderr
    entries = platform.api("GET", "/v1/audit?limit=100")[1]["data"]
    acts = [e["act"] for e in reversed(entries) if e["act"].startswith("operator_access.")]
    assert acts == [f"operator_access.{a}" for a in ("requested", "approved", "began", "read", "ended")], json.dumps(
        acts
    )
