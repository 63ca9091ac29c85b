"""The checks of nodes and replicas: they hold for what is right, and fail for each thing that is not."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mailward.app.checks import availability
from mailward.app.context import Context
from mailward.app.settings import Settings, Storage
from mailward.core.evidence.model import Finding, Result
from mailward.core.nodes.model import NodeSeen


def node(number: int, *roles: str, state: str = "up", zone: str = "") -> NodeSeen:
    return NodeSeen(number, f"host-{number}", zone or f"zone-{number}", "1", state, len(roles), roles, 1.0)


class Nodes:
    """The list of nodes, and copies that nobody's worker holds."""

    def __init__(self, *known: NodeSeen, orphans: int = 0) -> None:
        self._known, self._orphans = known, orphans

    async def known(self) -> list[NodeSeen]:
        return list(self._known)

    async def orphans(self) -> int:
        return self._orphans


class Server:
    """A database's settings."""

    def __init__(self, **settings: str) -> None:
        self._settings = settings

    async def system_read(self, verb: Any) -> Any:
        return await verb(self)

    async def rows(self, sql: str, names: Sequence[str] = ()) -> list[tuple[Any, Any]]:
        if "pg_stat_archiver" in sql:
            return [("fails" in self._settings, 7)]
        return [(name, self._settings[name]) for name in names if name in self._settings]


def context(store: Any, kind: str = "postgres") -> Context:
    settings = Settings(storage=Storage(kind=kind))
    return cast("Context", SimpleNamespace(store=store, settings=settings, installation=None))


async def nodes(made: Nodes | None) -> Finding:
    return await availability.nodes_share_the_work(context(SimpleNamespace(nodes=lambda: made)))


@pytest.mark.claim("AVAIL-1")
async def test_two_nodes_with_every_role_are_enough() -> None:
    """Each role twice, in two zones; a third that is gone does no harm."""
    found = await nodes(Nodes(node(0, "web", "sender"), node(1, "web", "sender"), node(2, "web", state="gone")))
    assert found.result is Result.PASSED
    assert "2 of 3 nodes alive in 2 zones" in found.evidence


@pytest.mark.claim("AVAIL-1")
@pytest.mark.parametrize(
    ("made", "said"),
    [
        (None, "one machine"),
        (Nodes(node(0, "web"), node(1, "web", state="stopped")), "1 of 2 nodes alive"),
        (Nodes(node(0, "web", "sender"), node(1, "web")), "only one runs sender"),
    ],
    ids=["embedded", "one alive", "a role once"],
)
async def test_what_one_end_would_stop_is_said(made: Nodes | None, said: str) -> None:
    """One machine, one node alive, or a role on one node only: no proof, and no failure."""
    found = await nodes(made)
    assert found.result is Result.NOT_CONFIGURED
    assert said in found.evidence


@pytest.mark.claim("AVAIL-1")
async def test_leases_of_nobody_are_a_failure() -> None:
    """A copy leased to a worker that is in no list would wait for long."""
    found = await nodes(Nodes(node(0, "web"), node(1, "web"), orphans=3))
    assert found.result is Result.FAILED
    assert found.evidence.startswith("3 copies")


@pytest.mark.claim("AVAIL-3")
async def test_where_a_commit_is_kept() -> None:
    """A synchronous replica and an archive prove it; one of them does not; a replica nobody waits for is a failure."""
    good = {"synchronous_standby_names": "ANY 1 (a, b)", "synchronous_commit": "on"}
    archive = {"archive_mode": "on", "archive_command": "cp %p /archive/%f"}

    async def look(**settings: str) -> Finding:
        return await availability.commits_are_kept_elsewhere(context(Server(**settings)))

    assert (await look(**good, **archive)).result is Result.PASSED
    assert "archiving the write-ahead log fails: 7 times" in (await look(**good, **archive, fails="yes")).evidence
    assert (await look(**good)).result is Result.NOT_CONFIGURED
    assert (await look(**archive)).result is Result.NOT_CONFIGURED
    assert (await look(**good, archive_mode="on", archive_command="(disabled)")).result is Result.NOT_CONFIGURED
    assert (await look(**(good | {"synchronous_commit": "local"}), **archive)).result is Result.FAILED
    embedded = await availability.commits_are_kept_elsewhere(context(Server(), kind="embedded"))
    assert embedded.result is Result.NOT_CONFIGURED
