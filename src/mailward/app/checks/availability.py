"""AVAIL-1 and AVAIL-3: the nodes that share the store, who holds what is under way, and where a COMMIT is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from mailward.app.checks.moments import a_minute_comes_back
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.evidence.model import Finding, failed, not_configured, passed

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.sql import Sql
    from mailward.app.store import Tx

_SETTINGS = ("synchronous_commit", "synchronous_standby_names", "archive_mode", "archive_command", "archive_library")
# Whether its last try failed, and how many have.
_ARCHIVER = (
    "SELECT last_failed_time IS NOT NULL AND (last_archived_time IS NULL OR last_failed_time > last_archived_time), "
    "failed_count FROM pg_catalog.pg_stat_archiver"
)


@check("AVAIL-1")
async def nodes_share_the_work(context: Context) -> Finding:
    """Who is alive, in how many zones; and nothing is leased to a worker that nobody knows."""
    nodes = context.store.nodes()
    if nodes is None:
        return not_configured("one machine: its end is an outage, though nothing accepted is lost")
    if orphans := await nodes.orphans():
        return failed(f"{orphans} copies are leased to workers that no node has: they wait until the leases end")
    known = await nodes.known()
    alive = [n for n in known if n.state in ("up", "draining")]
    zones = {n.zone for n in alive if n.zone}
    roles = {r for n in alive for r in n.roles}
    twice = sorted(r for r in roles if sum(r in n.roles for n in alive) > 1)
    held = "; whatever is under way is leased to a worker that beats"
    if len(alive) < 2:
        return not_configured(f"{len(alive)} of {len(known)} nodes alive: the end of the last one is an outage{held}")
    if roles - set(twice):
        return not_configured(
            f"{len(alive)} nodes alive, but only one runs {', '.join(sorted(roles - set(twice)))}{held}"
        )
    where = f"in {len(zones)} zones" if len(zones) > 1 else "in one zone, as far as storage.zone says"
    return passed(f"{len(alive)} of {len(known)} nodes alive {where}, each role on more than one{held}")


@check("AVAIL-3")
async def commits_are_kept_elsewhere(context: Context) -> Finding:
    """PostgreSQL: whether a COMMIT that was answered is on a replica, and whether the log is archived. Embedded: sends
    what changed to the place of backups, restores that aside and compares."""
    if context.settings.storage.kind != "postgres":
        return await a_minute_comes_back(context)

    async def read(tx: Tx) -> tuple[dict[str, str], list[Any]]:
        sql = cast("Sql", tx)
        rows = await sql.rows("SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY($1)", list(_SETTINGS))
        return {r[0]: r[1] for r in rows}, list(await sql.rows(_ARCHIVER))

    found, archiver = await context.store.system_read(read)
    waits = found.get("synchronous_standby_names", "")
    if waits and found.get("synchronous_commit") == "local":
        return failed("synchronous_commit is local: replicas are named, and no COMMIT waits for them")
    archived = found.get("archive_mode", "off") != "off" and bool(
        found.get("archive_command") not in ("", "(disabled)", None) or found.get("archive_library")
    )
    if archived and archiver and archiver[0][0]:
        return failed(f"archiving the write-ahead log fails: {archiver[0][1]} times, and nothing was archived since")
    replica = f"each COMMIT waits for {waits}" if waits else "no synchronous replica is named"
    log = "the write-ahead log is archived" if archived else "the write-ahead log is not archived"
    if waits and archived:
        return passed(f"{replica}; {log}")
    return not_configured(f"{replica}; {log}")
