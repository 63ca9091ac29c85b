"""What a good key costs the store: nothing, until something about access changed."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import httpx
import pytest

from mailward.app.doors import Doors
from mailward.app.guard.challenge import Challenges
from mailward.app.guard.guard import SharedGuard
from mailward.app.guard.parts import GuardParts
from mailward.app.guard.places import Places
from mailward.app.guard.watch import Watch
from mailward.app.sign_in_options import ChallengeSettings, Geo
from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.core.guard.model import Digests
from mailward.core.identity.credentials import Wish, create_key, revoke_key
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.workspaces import change
from mailward.edges.web import app
from mailward.edges.web.endpoint import Services
from mailward.edges.web.limits import LocalLimiter, WebLimits
from mailward.policy.access import Actor, Permission, Scope
from tests.access.matrix import Nowhere
from tests.conftest import MovingClock, SeededEntropy
from tests.edges.web.fake_platform import FakeReadiness

RAW = b"a" * 16
OWNER = Actor(ids.WorkspaceId(ids.encode("ws", RAW)), "session", "usr_x", frozenset(Permission))


class Counting:
    """A store that counts its transactions, by kind."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.done: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def counted(*given: Any, **named: Any) -> Any:
            self.done[name] += 1
            return found(*given, **named)

        return counted if callable(found) else found


@pytest.mark.claim("AUTHN-9")
async def test_a_valid_key_costs_no_round_trip_and_a_revoked_one_ends(
    store: Any, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """The first request with a key looks it up; of two hundred more none asks the store, through the whole front with
    its limits and its guard. Revoked by another process, it is refused at the first look at the epoch: one small read
    that each worker makes four times a second, whatever comes in."""
    now = clock.now()
    await store.system_write(
        lambda tx: change.create(tx, actor=OWNER, name="W", now=now, entropy=entropy, id=OWNER.workspace)
    )
    wish = Wish("k", frozenset({Scope.READ}))
    issued = await store.write(OWNER.workspace, lambda tx: create_key(tx, OWNER, wish, now=now, entropy=entropy))
    counting: Any = Counting(store)
    keeper, digests = Doorkeeper(counting), Digests(bytes(32))
    challenges = Challenges(bytes(32), entropy, ChallengeSettings())
    watch = Watch(counting, digests, entropy)
    guard = SharedGuard(counting, digests, challenges, watch, monotonic=clock.monotonic)
    parts = GuardParts(guard, watch, challenges, Places(Geo()), digests)
    services = Services(
        platform=cast("Any", Nowhere()),
        authenticator=Doors(counting, keeper, cast("Any", clock), lambda door, result: None, parts),
        limiter=LocalLimiter(clock.monotonic),
        clock=clock,
        entropy=entropy,
        limits=WebLimits(),
    )
    transport = httpx.ASGITransport(app.build(services, FakeReadiness()), client=("127.0.0.1", 1))
    headers = {"authorization": f"Bearer {issued.secret.reveal()}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:

        async def status() -> int:
            clock.move(seconds=0.02)
            return (await client.get("/v1/messages/" + ids.encode("msg", RAW))).status_code

        # The platform behind the front finds nothing: what is counted is the front's own.
        assert await status() == 404
        assert counting.done == {"system_read": 1}
        counting.done.clear()
        assert {await status() for _ in range(200)} == {404}
        assert counting.done == {}
        await store.write(OWNER.workspace, lambda tx: revoke_key(tx, OWNER, issued.credential.id, now=clock.now()))
        assert await keeper.refresh()
        assert counting.done == {"system_read": 1}
        assert await status() == 401


def test_what_counts_is_told_from_what_does_not() -> None:
    """The count can fail: whatever is asked of the store is counted."""

    class Store:
        def system_read(self, verb: object) -> object:
            raise NotFound("x", "x")

    counting = Counting(Store())
    with pytest.raises(NotFound):
        counting.system_read(None)
    assert counting.done == {"system_read": 1}
