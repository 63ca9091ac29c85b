"""`mailward storage`: making and migrating the database, and `mailward doctor`'s look at it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator

import cyclopts

from mailward.adapters.host.clock import SystemClock
from mailward.app.commands.finding import Finding
from mailward.app.commands.output import Config
from mailward.app.settings import Settings, SettingsError, load
from mailward.base.errors import Unavailable

app = cyclopts.App(name="storage", help="The PostgreSQL database.")


@app.command
def bootstrap() -> int:
    """Print the SQL that makes roles and schema. An administrator runs it once: `... | psql DATABASE`."""
    from mailward.adapters.storage.postgres.migrate import bootstrap_sql

    sys.stdout.write(bootstrap_sql())
    return 0


@app.command
def migrate(*, config: Config = None) -> int:
    """Bring the schema up to date as storage.owner_url. Nodes of the version before go on meanwhile."""
    from mailward.app.stores import migrate_database

    settings = load(config, os.environ)
    if settings.storage.kind != "postgres" or not settings.storage.owner_url:
        raise SettingsError('storage.owner_url: set it, and storage.kind = "postgres", to migrate the database')
    applied = asyncio.run(migrate_database(settings, SystemClock()))
    print("\n".join(applied) if applied else "up to date")
    return 0


def examine_storage(settings: Settings) -> Iterator[Finding]:
    """Version, rights of our role, TLS, what a commit means, and the schema; nothing on the embedded store."""
    if settings.storage.kind != "postgres":
        return
    try:
        yield from asyncio.run(_findings(settings))
    except (SettingsError, Unavailable) as e:
        text = e.public if isinstance(e, Unavailable) else str(e)
        yield Finding("database", "wrong", text, "Mend the [storage] section, or the database.")


async def _findings(settings: Settings) -> list[Finding]:
    # Here, so that an embedded installation does not load a driver that it never uses.
    from mailward.adapters.storage.postgres.migrate import require_schema
    from mailward.adapters.storage.postgres.nodes import count_alive
    from mailward.adapters.storage.postgres.server import facts_of, judge, judge_connections
    from mailward.adapters.storage.postgres.transaction import begin_sql
    from mailward.app.stores import access_of, connect, connections_of

    access = access_of(settings)
    db = await connect(access)
    try:
        found = [Finding("database", "ok", access.where())]
        facts = await facts_of(db)
        judged = judge(facts)
        try:
            await db.execute(begin_sql(read_only=True) + "SET LOCAL ROLE mailward_system")
            await require_schema(db)
            schema = Finding("database schema", "ok", "up to date")
            if not access.pooler:  # behind one, how many reach the server is the pooler's to say
                a_node, others = connections_of(settings), await count_alive(db, but=settings.storage.node)
                judged.append(judge_connections(facts, a_node=a_node, nodes=others + 1))
        except Unavailable as e:
            schema = Finding("database schema", "wrong", e.public)
        return [*found, *(Finding(*j) for j in judged), schema]
    finally:
        await db.close()
