"""TRANSIT-6, and REST-1 in rows and bucket: database and object store, as this installation reaches and uses them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from mailward.adapters.storage.objects.place import Place, PlaceError, check_place
from mailward.adapters.storage.postgres.access import Access, AccessRefused
from mailward.adapters.storage.records import read_head
from mailward.app.backup_options import bucket_of
from mailward.app.checks.registry import check
from mailward.app.checks.storage import spellings
from mailward.app.context import Context
from mailward.app.objects import place_of
from mailward.app.settings import SettingsError
from mailward.app.stores import access_of
from mailward.base.errors import Unavailable
from mailward.core.evidence.model import Finding, failed, passed

if TYPE_CHECKING:
    from mailward.adapters.storage.objects.bucket import Bucket, Entry
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Sql
    from mailward.app.store import Tx

# Of the newest objects, this much is looked at: enough for every writer's latest, little enough for a check.
_OCTETS = 64 << 20
_LISTED = 20_000
_SECONDS = 30.0
_TELLING = 8
# Whoever is another role than the session's at the moment is shown nothing of how it is connected.
_LOGIN = "SET LOCAL ROLE NONE"
_BY_TLS = "SELECT FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid() AND ssl"
_IN_CLEAR = (
    "SELECT FROM pg_catalog.pg_stat_activity AS a JOIN pg_catalog.pg_stat_ssl AS s ON s.pid = a.pid "
    "WHERE a.usename = session_user AND NOT s.ssl AND NOT a.client_addr << inet '127.0.0.0/8' "
    "AND a.client_addr <> inet '::1'"
)
# What a message or an act leaves in rows, and what sorts the newest last.
_TABLES = (
    ("messages", "id"),
    ("open_deliveries", "message"),
    ("deliveries", "message"),
    ("attempts", "message"),
    ("timeline", "message"),
    ("search", "message"),
    ("suppressions", "workspace"),
    ("webhook_events", "id"),
    ("audit_facts", "id"),
)
_ROWS = 500


@check("TRANSIT-6")
async def parts_are_verified(context: Context) -> Finding:
    """A way that is not verified TLS is refused, and the ways in use are verified or do not leave the machine."""
    try:
        Access("postgresql://mailward_app@192.0.2.1/mailward?sslmode=require").tls()
        return failed("a database on another machine is accepted without verifying its certificate")
    except AccessRefused:
        pass
    try:
        check_place(Place(url="s3://bucket", endpoint="http://192.0.2.1:9000", plaintext=("192.0.2.1:9000",)))
        return failed("an object store on another machine is accepted without TLS")
    except PlaceError:
        pass
    said = []
    if context.settings.storage.kind == "postgres":
        by_tls = await context.store.system_read(lambda tx: cast("SealedSql", tx).found_in(_LOGIN, _BY_TLS))
        said.append("database: " + ("verified TLS" if by_tls else "this machine, without TLS"))
    place = place_of(context.settings.objects)
    if place is not None:
        said.append("object store: " + ("this machine, without TLS" if place.unencrypted else "HTTPS, verified"))
    backups = bucket_of(context.settings.backup)
    if backups is not None:
        try:
            check_place(backups)
        except PlaceError as e:
            return failed(f"a start would refuse the place of backups: {e}")
        said.append("backups: " + ("this machine, without TLS" if backups.unencrypted else "HTTPS, verified"))
    ways = "; ".join(said) or "all parts share a folder"
    return passed(f"unverified ways to a database and an object store are refused; {ways}")


@check("TRANSIT-6")
async def the_database_is_reached_as_a_start_would(context: Context) -> Finding:
    """The settings as they are now, judged as a start judges them; and no session of ours without TLS from elsewhere.

    The server knows where a session comes from, also when a forwarder on this machine stands in between.
    """
    if context.settings.storage.kind != "postgres":
        return passed("the embedded store is reached over no network")
    try:
        access_of(context.settings)
    except SettingsError as e:
        return failed(f"a start would be refused: {e}")
    if await context.store.system_read(lambda tx: cast("SealedSql", tx).found_in(_LOGIN, _IN_CLEAR)):
        return failed("the server sees sessions of the platform from another machine, without TLS")
    return passed("a start would accept the way to the database; no session comes from another machine without TLS")


@check("REST-1")
async def nothing_readable_in_rows(context: Context) -> Finding:
    """The newest rows of messages and acts, as plain SQL shows them, hold no recent recipient."""
    if context.settings.storage.kind != "postgres":
        return passed("the embedded store's file is searched as a whole")
    recent = await context.store.system_read(lambda tx: tx.evidence.recent_recipients(5))
    needles = [n for address in recent if len(address) >= _TELLING for n in spellings(address)]
    seen = 0
    for table, order in _TABLES:
        values = await context.store.system_read(partial(_values, table=table, order=order))
        seen += len(values)
        if any(needle in value for value in values for needle in needles):
            return failed(f"a recipient is readable in {table}")
    return passed(f"{seen} values of the newest rows of {len(_TABLES)} tables hold no recent recipient")


async def _values(tx: Tx, *, table: str, order: str) -> list[bytes]:
    """Every stored value of the newest rows of a table, in octets."""
    sql = f"SELECT * FROM {table} ORDER BY {order} DESC LIMIT {_ROWS}"  # noqa: S608 - fixed names
    rows = await cast("Sql", tx).rows(sql)
    return [v if isinstance(v, bytes) else str(v).encode() for row in rows for v in row if v is not None]


@check("REST-1")
async def nothing_readable_in_the_bucket(context: Context) -> Finding:
    """The newest objects are sealed records from the first octet to the last, and hold no recent recipient."""
    place = place_of(context.settings.objects)
    if place is None:
        return passed("no object store is set: bodies lie in the data folder, which is searched")
    from mailward.adapters.storage.objects.bucket import Trouble, open_bucket

    recent = await context.store.system_read(lambda tx: tx.evidence.recent_recipients(5))
    needles = [n for address in recent if len(address) >= _TELLING for n in spellings(address)]
    try:
        return await _look(open_bucket(place), needles, context)
    except Trouble as e:
        raise Unavailable("storage_unavailable", "The object store is away.", detail=str(e)) from e


async def _look(bucket: Bucket, needles: list[bytes], context: Context) -> Finding:
    from mailward.adapters.storage.objects.naming import FOLDER, day_folder
    from mailward.core.workspaces.model import day_of

    today = day_of(context.clock.now())
    # Names sort by day: two days are enough, and whatever sorts behind every day is not ours and has to be seen too.
    newest: list[Entry] = []
    async for entries in bucket.list(FOLDER, after=day_folder(today - 2)):
        newest += entries
        if len(newest) >= _LISTED:
            break
    newest.sort(key=lambda entry: entry.modified, reverse=True)
    octets = records = objects = 0
    for entry in newest:
        if octets + entry.size > _OCTETS and objects:
            break
        data = await bucket.read(entry.name, 0, entry.size, seconds=_SECONDS)
        count = sealed_records(data)
        if not count:
            return failed(f"{entry.name} is not sealed records from end to end")
        if any(needle in data for needle in needles):
            return failed(f"a recipient is readable in {entry.name}")
        objects, records, octets = objects + 1, records + count, octets + len(data)
    return passed(f"{records} sealed records in the {objects} newest objects ({octets >> 20} MiB), nothing beside them")


def sealed_records(data: bytes) -> int:
    """How many records lie back to back in an object; 0 when anything else lies in it."""
    at = count = 0
    while at < len(data):
        head = read_head(data[at : at + 64])
        if head is None or at + head.length > len(data):
            return 0
        at += head.length
        count += 1
    return count
