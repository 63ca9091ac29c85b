"""What the checks ask of PostgreSQL's rows."""

from __future__ import annotations

from typing import Any

import pytest

from mailward.adapters.storage.times import from_us
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.workspaces.model import WrappedKey
from mailward.policy.access import Actor
from tests.adapters.storage.postgres.transactions import DAY, OTHER, T0, WS, Node, id_of, put

DAY_US = 86_400_000_000
ACTOR = Actor(WorkspaceId(ids.encode("ws", WS)), "system", "test", frozenset())


async def test_what_is_past_its_term_is_counted(node: Node) -> None:
    """Rows, content and keys beyond a time are counted for one workspace; what is open, let go or destroyed is not."""
    async with node.begin(WS) as tx:
        for day in (DAY, DAY + 1, DAY + 2):
            await put(tx, 1, 2, 3, day=day, state=3)
        await put(tx, 4, day=DAY + 1, state=2)
        await tx.retention.let_go([id_of(1)], T0)
        for day in (DAY, DAY + 1, DAY + 2):
            await tx.data_keys.insert(WrappedKey(WS, day, 1, b"key"))
    async with node.begin(OTHER) as tx:
        await put(tx, 9, state=3)
    async with node.begin(None) as tx:
        later = T0 + 2 * DAY_US
        assert await tx.evidence.past_terms(WS, later, later) == (6, 5, 1)  # the second day has an open message
        assert await tx.evidence.past_terms(WS, T0, T0) == (0, 0, 0)
        assert await tx.evidence.past_terms(OTHER, later, later) == (1, 1, 0)
        await tx.data_keys.destroy_days(WS, [DAY], T0)
        assert (await tx.evidence.past_terms(WS, later, later))[2] == 0
        assert await tx.evidence.data_keys_in_force() == 2
        assert await tx.data_keys.alive([(WS, DAY, 1), (WS, DAY + 1, 1)]) == {(WS, DAY + 1, 1)}


async def test_a_text_is_looked_for_behind_the_seal_too(node: Node) -> None:
    """A secret that was kept by mistake is found in the table that keeps it, in the clear or sealed."""
    async with node.begin(WS) as tx:
        await tx.audit.append(ACTOR, "thing.done", "dom_marker", {"email": "ann@example.com"}, now=from_us(T0))
    async with node.begin(None) as tx:
        assert await tx.evidence.acts_holding("ann@example.com") == 1
        assert await tx.evidence.acts_holding("bob@example.com") == 0
        assert await tx.evidence.tables_holding("dom_marker") == ["audit"]
        assert await tx.evidence.tables_holding("ann@example.com") == ["audit_facts"]
        assert await tx.evidence.tables_holding("nowhere") == []


@pytest.mark.claim("AUTHZ-2")
async def test_a_hole_in_the_wall_is_found(node: Node, admin: Any) -> None:
    """The check finds nothing as the schema is, and the very table whose policies somebody switched off."""
    async with node.begin(WS) as tx:
        await put(tx, 1)
    async with node.begin(None) as tx:
        tables, readable = await tx.evidence.past_scope()
        assert tables > 20
        assert readable == []
        assert await tx.evidence.data_keys_in_force() == 0  # the scope is the system's again
    await admin.execute("ALTER TABLE mailward.open_deliveries DISABLE ROW LEVEL SECURITY")
    await admin.execute(
        "GRANT SELECT ON mailward.messages TO mailward_app; GRANT USAGE ON SCHEMA mailward TO mailward_app"
    )
    async with node.begin(None) as tx:
        assert set((await tx.evidence.past_scope())[1]) == {"mailward.open_deliveries"}
    await admin.execute("ALTER TABLE mailward.messages DISABLE ROW LEVEL SECURITY")
    async with node.begin(None) as tx:
        assert set((await tx.evidence.past_scope())[1]) == {"mailward.open_deliveries", "mailward.messages"}
