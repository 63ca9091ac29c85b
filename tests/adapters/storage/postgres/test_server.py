"""Which servers and roles the platform works with."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest

from mailward.adapters.storage.postgres.server import facts_of, judge, judge_connections, require_server
from mailward.base.errors import Unavailable
from tests.adapters.storage.postgres.conftest import OpenStore
from tests.postgres_server import PostgresServer


@pytest.mark.asvs("13.2.2")
async def test_our_role_is_fit_and_a_superuser_is_not(
    postgres_server: PostgresServer, database: str, open_store: OpenStore
) -> None:
    """mailward_app passes; a superuser and the owner, whom no policy binds or who could lift them, are refused."""
    app = await asyncpg.connect(postgres_server.url("mailward_app", database), ssl=False)
    facts = await require_server(app)
    archived = replace(facts, settings=facts.settings | {"archive_mode": "on", "archive_command": "cp %p /else/%f"})
    assert {j.state for j in judge(archived)} == {"ok"}
    assert [j.what for j in judge(facts) if j.state != "ok"] == ["write-ahead log"]
    await app.close()
    for role, why in (("postgres", "superuser"), ("mailward_owner", "owns")):
        with pytest.raises(Unavailable) as refusal:
            await open_store(url=postgres_server.url(role, database))
        assert why in refusal.value.public


async def test_what_makes_a_server_unfit(postgres_server: PostgresServer, database: str) -> None:
    """Too old, no fsync, a role that inherits what it may become: each is wrong by itself, and says what to do."""
    app = await asyncpg.connect(postgres_server.url("mailward_app", database), ssl=False)
    good = await facts_of(app)
    await app.close()
    for bad in (
        replace(good, version=140_012),
        replace(good, settings=good.settings | {"fsync": "off"}),
        replace(good, sees=3),
        replace(good, may_become=False),
        replace(good, bypass=True),
        replace(good, standing_bypass=True),
    ):
        (wrong,) = [j for j in judge(bad) if j.state == "wrong"]
        assert wrong.advice
    warned = [j.what for j in judge(replace(good, creates=True)) if j.state == "warning"]
    assert warned == ["write-ahead log", "createrole, createdb"]


async def test_nodes_that_want_more_connections_than_the_server_has(
    postgres_server: PostgresServer, database: str
) -> None:
    """Those kept for superusers are not to be had; the advice is a number with room to spare."""
    app = await asyncpg.connect(postgres_server.url("mailward_app", database), ssl=False)
    facts = await facts_of(app)
    await app.close()
    facts = replace(facts, settings=facts.settings | {"max_connections": "100", "superuser_reserved_connections": "3"})
    assert judge_connections(facts, a_node=24, nodes=4).state == "ok"
    tight = judge_connections(facts, a_node=98, nodes=1)
    assert (tight.state, tight.found) == ("warning", "98 for each of 1 node, 97 of 100 to be had")
    assert "max_connections to 111" in tight.advice


async def test_a_server_that_commits_lazily_is_told_not_to(
    postgres_server: PostgresServer, database: str, open_store: OpenStore
) -> None:
    """Where synchronous_commit is off for our role, each of our transactions sets it on."""
    admin = await asyncpg.connect(postgres_server.url("postgres", database), ssl=False)
    await admin.execute(f"ALTER ROLE mailward_app IN DATABASE {database} SET synchronous_commit = off")
    await admin.close()
    store = await open_store()

    async def verb(tx: object) -> str:
        (row,) = await tx.rows("SHOW synchronous_commit")  # type: ignore[attr-defined]  # raw SQL under test
        return str(row[0])

    assert await store.system_write(verb) == "on"
