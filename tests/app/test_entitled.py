"""What a request changes is held against the right of its asker at that moment, not at the request's beginning."""

from __future__ import annotations

from typing import Any

import pytest

from mailward.app.doors import Doors
from mailward.app.entitled import ASKER, entitled
from mailward.base import ids
from mailward.base.errors import Unauthenticated
from mailward.core.identity.credentials import Wish, create_key, revoke_key
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import Issued
from mailward.core.workspaces import change
from mailward.policy.access import Actor, Permission, Scope
from tests.conftest import STORES, MovingClock, SeededEntropy

OWNER = Actor(ids.WorkspaceId(ids.encode("ws", b"a" * 16)), "session", "usr_x", frozenset(Permission))


class Asked:
    """A store, a door, and two keys: that of who asks, and another one."""

    def __init__(self, store: Any, clock: MovingClock, entropy: SeededEntropy) -> None:
        self.store, self.now, self.entropy = store, clock.now(), entropy
        self.entitled = entitled(store)
        self.doors = Doors(store, Doorkeeper(store), clock, lambda door, result: None)

    async def key(self, store: Any, actor: Actor = OWNER) -> Issued:
        """Another admin key, made by `actor` through a door of `store`."""
        wish = Wish("k", frozenset({Scope.ADMIN}))
        made: Issued = await store.write(
            OWNER.workspace, lambda tx: create_key(tx, actor, wish, now=self.now, entropy=self.entropy)
        )
        return made

    async def let_in(self, key: Issued) -> Actor:
        """A request with that key begins."""
        assert key.secret is not None
        return await self.doors.authenticate(key.secret.reveal(), "192.0.2.1")

    async def revoke(self, key: Issued) -> None:
        """As another process would."""
        id = key.credential.id
        await self.store.write(OWNER.workspace, lambda tx: revoke_key(tx, OWNER, id, now=self.now))


@pytest.fixture
async def asked(store: Any, clock: MovingClock, entropy: SeededEntropy) -> Asked:
    """With a workspace."""
    made = Asked(store, clock, entropy)
    await store.system_write(
        lambda tx: change.create(tx, actor=OWNER, name="W", now=made.now, entropy=entropy, id=OWNER.workspace)
    )
    return made


@pytest.mark.claim("AUTHN-9")
@pytest.mark.parametrize("store", STORES, indirect=True)
async def test_a_right_that_ended_meanwhile_changes_nothing(asked: Asked) -> None:
    """Revoked after the request began: no new key. Of others' changes the asker notices nothing."""
    mine, other = await asked.key(asked.store), await asked.key(asked.store)
    actor = await asked.let_in(mine)
    await asked.revoke(other)
    await asked.key(asked.entitled, actor)
    actor = await asked.let_in(mine)
    await asked.revoke(mine)
    with pytest.raises(Unauthenticated):
        await asked.key(asked.entitled, actor)
    with pytest.raises(Unauthenticated):
        await asked.entitled.system_write(lambda tx: tx.counters.bump("domains_epoch"))


async def test_a_request_may_end_its_own_right(asked: Asked) -> None:
    """A key that revokes itself does the rest of its request; without an asker nobody is asked."""
    mine = await asked.key(asked.store)
    actor = await asked.let_in(mine)
    id = mine.credential.id
    await asked.entitled.write(OWNER.workspace, lambda tx: revoke_key(tx, actor, id, now=asked.now))
    await asked.key(asked.entitled, actor)
    ASKER.set(None)
    await asked.key(asked.entitled)
