"""Which store the settings ask for: the only place that knows there are two."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mailward.adapters.host.clock import SystemEntropy
from mailward.adapters.vault.vault import Vault
from mailward.app.committing import has_committer
from mailward.app.objects import opener
from mailward.app.settings import Settings, SettingsError
from mailward.base.errors import Unavailable
from mailward.base.sources import Clock, Entropy

# Each store is imported where it is chosen: the other one's driver would lie in memory for nobody. What a transaction
# offers to the platform is no business of the committing process, which asks for a store too.
if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.access import Access
    from mailward.adapters.storage.postgres.bodies import BodyStore
    from mailward.app.store import Store

_CONNECT_SECONDS = 10.0
_UPLOADS = 256


def make_store(
    settings: Settings, vault: Vault, *, worker: int, clock: Clock, entropy: Entropy, unjudged: bool = False
) -> Store:
    """The store of one process, not open yet. `unjudged`: as it is, fit or not, for whoever reports on that."""
    if settings.storage.kind == "embedded":
        from mailward.adapters.storage.sqlite.engine import SqliteStore

        return SqliteStore(settings.data, vault.database_key(), worker=worker, entropy=entropy)
    from mailward.adapters.storage.local import LocalBodies
    from mailward.adapters.storage.postgres.engine import Limits, PostgresStore
    from mailward.adapters.storage.postgres.sealed import FieldCipher
    from mailward.adapters.storage.postgres.tx import PgTx
    from mailward.adapters.storage.sqlite.engine import end_process
    from mailward.adapters.storage.sqlite.upkeep import sweeping

    cipher = FieldCipher(vault.derive, entropy)
    folder = settings.data / "segments"

    def open_bodies(writer: int) -> BodyStore:
        if settings.objects.url:
            return opener(settings.objects, clock=clock, entropy=entropy)(writer)
        return LocalBodies(folder, writer=writer, entropy=entropy, fatal=end_process)

    storage = settings.storage
    return PostgresStore(
        access_of(settings, unjudged=unjudged),
        lambda connection: PgTx(connection, cipher),
        open_bodies,
        clock=clock,
        entropy=entropy,
        node=storage.node,
        limits=Limits(
            committers=storage.committers,
            readers=storage.readers,
            # The bucket's writer gathers by itself; a file is written by one at a time.
            uploads=_UPLOADS if settings.objects.url else 1,
        ),
        chores_of_bodies=lambda store: [] if settings.objects.url else [("segments", 600.0, sweeping(store, folder))],
    )


def import_store(kind: str) -> None:
    """Import all that a store of this kind (`storage.kind`) will ever need, for the process workers are forked from."""
    blank: Any
    if kind == "embedded":
        from mailward.adapters.storage.sqlite import engine as _engine  # noqa: F401
        from mailward.adapters.storage.sqlite.tx import SqliteTx

        blank = SqliteTx.__new__(SqliteTx)
    else:
        from mailward.adapters.storage.postgres import engine as _engine_  # noqa: F401
        from mailward.adapters.storage.postgres.sealed import FieldCipher
        from mailward.adapters.storage.postgres.tx import PgTx

        blank = PgTx(None, FieldCipher(lambda *_: bytes(32), SystemEntropy()))  # seals nothing
    for name, part in vars(type(blank)).items():
        if isinstance(part, cached_property):
            getattr(blank, name)  # a repository is imported when it is first asked for


def access_of(settings: Settings, *, owner: bool = False, unjudged: bool = False) -> Access:
    """How the database is reached, as the platform's role or as the owner. SettingsError when it may not be used."""
    from mailward.adapters.storage.postgres.access import Access, AccessRefused

    s = settings.storage
    access = Access(
        s.owner_url if owner else s.url,
        ca=s.ca,
        plaintext=tuple(s.plaintext),
        pooler=s.pooler and not owner,
        unjudged=unjudged,
    )
    try:
        access.tls()
    except AccessRefused as e:
        raise SettingsError(str(e)) from e
    return access


def connections_of(settings: Settings) -> int:
    """How many connections to the database this machine opens at most, commands left aside."""
    storage = settings.storage
    listening = 0 if storage.pooler else 1
    workers = settings.workers * (storage.committers + storage.readers + listening)
    return workers + (storage.committers + listening if has_committer(settings) else 0)


def prepare_store(settings: Settings, vault: Vault, clock: Clock) -> list[str]:
    """Create or migrate what the store keeps; names of the migrations applied.

    On PostgreSQL that is the owner's business: without `storage.owner_url` nothing is done
    here, and a schema that is not up to date is refused when the store opens.
    """
    if settings.storage.kind == "embedded":
        from mailward.adapters.storage.sqlite.engine import SqliteStore

        return SqliteStore.prepare(settings.data, vault.database_key(), clock)
    if not settings.storage.owner_url:
        return []
    return asyncio.run(migrate_database(settings, clock))


async def migrate_database(settings: Settings, clock: Clock) -> list[str]:
    """Run the migrations as the owner. Unavailable, with the reason, when that cannot be done."""
    from mailward.adapters.storage.postgres.migrate import MigrationError, migrate

    owner = await connect(access_of(settings, owner=True))
    try:
        return await migrate(owner, now_us=int(clock.now().timestamp() * 1_000_000))
    except MigrationError as e:
        raise Unavailable("storage_schema", f"The database cannot be migrated: {e}") from e
    finally:
        await owner.close()


async def connect(access: Access) -> Any:
    """One connection outside of any store. Unavailable when the database does not answer."""
    import asyncpg

    tls = access.tls()
    try:
        return await asyncpg.connect(
            access.url, ssl=tls if tls is not None else False, timeout=_CONNECT_SECONDS, statement_cache_size=0
        )
    except asyncpg.PostgresError as e:
        raise Unavailable(
            "storage_unavailable",
            f"The database at {access.where()} refuses the connection: {type(e).__name__} ({e.sqlstate}).",
        ) from e
    except (OSError, TimeoutError, asyncpg.InterfaceError) as e:
        raise Unavailable(
            "storage_unavailable", f"The database at {access.where()} does not answer.", detail=type(e).__name__
        ) from e


def is_prepared(settings: Settings) -> bool:
    """Whether `mailward up` has run here: a command of the command line has something to open."""
    place = settings.data / ("state.db" if settings.storage.kind == "embedded" else "keys")
    return place.exists() and bool(place.stat().st_size)  # an empty file is no store, and opening it would make one
