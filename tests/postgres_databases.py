"""Databases for tests: one template with our schema, copies of it, and copies emptied to be used again.

Copying a database and meeting it for the first time costs PostgreSQL many times what a
test does in it. So a test gives its database back: it is emptied to what the template
holds, and handed out again only when nothing but rows was changed in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncpg

from mailward.adapters.storage.postgres.migrate import bootstrap, migrate

APP_PASSWORD = "app-of-the-tests"
_TEMPLATE = "mailward_template"
# Deleted rows leave dead ones behind: a database that held more than this is not worth emptying.
_MANY_ROWS = 3000

# Everything about our objects that a statement can change, except their rows and what PostgreSQL counts about them.
_SHAPE = """
SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM (
  SELECT concat_ws('|', 'class', oid::regclass, relkind, relowner, relacl, relrowsecurity, relforcerowsecurity,
                   reloptions, relpersistence, relhasindex, relhastriggers, relreplident, relispartition) AS line
    FROM pg_class WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
  UNION ALL SELECT concat_ws('|', 'attribute', attrelid::regclass, attnum, attname, atttypid, atttypmod, attnotnull,
                   atthasdef, attidentity, attgenerated, attisdropped, attacl, attstorage)
    FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
    WHERE attrelid >= 16384 AND attnum > 0 AND relkind IN ('r', 'p', 'v', 'm', 'f')
      AND relnamespace <> 'pg_toast'::regnamespace
  UNION ALL SELECT concat_ws('|', 'default', adrelid::regclass, adnum, md5(adbin::text)) FROM pg_attrdef
  UNION ALL SELECT concat_ws('|', 'constraint', conrelid::regclass, conname, contype, convalidated, condeferrable,
                   confdeltype, confupdtype, conkey, confkey, md5(conbin::text))
    FROM pg_constraint WHERE oid >= 16384
  UNION ALL SELECT concat_ws('|', 'index', indexrelid::regclass, indisunique, indisvalid, indkey, md5(indpred::text))
    FROM pg_index WHERE indexrelid >= 16384 AND indrelid::regclass::text NOT LIKE 'pg_toast%'
  UNION ALL SELECT concat_ws('|', 'trigger', tgrelid::regclass, tgname, tgenabled, tgfoid::regproc, tgtype)
    FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT concat_ws('|', 'policy', polrelid::regclass, polname, polcmd, polpermissive, polroles,
                   md5(polqual::text), md5(polwithcheck::text)) FROM pg_policy
  UNION ALL SELECT concat_ws('|', 'function', oid::regprocedure, proowner, prosecdef, proacl, proconfig, provolatile,
                   md5(prosrc), md5(prosqlbody::text)) FROM pg_proc WHERE oid >= 16384
  UNION ALL SELECT concat_ws('|', 'type', oid::regtype, typowner, typacl) FROM pg_type
    WHERE oid >= 16384 AND typrelid = 0 AND typelem = 0
  UNION ALL SELECT concat_ws('|', 'schema', nspname, nspowner, nspacl) FROM pg_namespace
    WHERE nspname NOT LIKE 'pg_%'
  UNION ALL SELECT concat_ws('|', 'acl', defaclrole, defaclnamespace, defaclobjtype, defaclacl) FROM pg_default_acl
  UNION ALL SELECT concat_ws('|', 'extension', extname, extversion) FROM pg_extension
  UNION ALL SELECT concat_ws('|', 'event', evtname) FROM pg_event_trigger
  UNION ALL SELECT concat_ws('|', 'database', datdba, datconnlimit, replace(datacl::text, current_database(), ''))
    FROM pg_database WHERE datname = current_database()
  UNION ALL SELECT concat_ws('|', 'setting', setrole, setconfig) FROM pg_db_role_setting s
    JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()
) AS lines
"""

# Past triggers, foreign keys and policies, as nobody but a superuser may. How many rows went is left in a setting.
_EMPTY = """
SET session_replication_role = replica;
SET search_path = mailward;
DO $$
DECLARE
  name regclass;
  gone bigint;
  together bigint := 0;
BEGIN
  -- The days of messages, which `partition_days` lists.
  FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relispartition
      AND relnamespace = 'mailward'::regnamespace LOOP
    EXECUTE format('DROP TABLE %s', name);
  END LOOP;
  FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'mailward'::regnamespace
      AND relname <> 'schema_migrations' AND pg_relation_size(oid) > 0 LOOP
    EXECUTE format('DELETE FROM %s', name);
    GET DIAGNOSTICS gone = ROW_COUNT;
    together := together + gone;
  END LOOP;
  FOR name IN SELECT oid FROM pg_class WHERE relkind = 'S' AND relnamespace = 'mailward'::regnamespace LOOP
    PERFORM setval(name, (SELECT seqstart FROM pg_sequence WHERE seqrelid = name), false);
  END LOOP;
  PERFORM set_config('mailward_tests.gone', together::text, false);
END
$$;
"""
_HISTORY = "SELECT md5(string_agg(m::text, ',' ORDER BY number)) FROM mailward.schema_migrations m"


class Databases:
    """The databases of one server. `url` gives the address for a role and a database."""

    def __init__(self, url: Callable[[str, str], str]) -> None:
        self._url = url
        self._made = 0
        self._spare: list[str] = []
        self._shape: tuple[str, str] | None = None

    async def fresh(self) -> str:
        """A database as the template: one that was given back, or a new one."""
        if self._spare:
            return self._spare.pop()
        if not self._made:
            await self._make_template()
        self._made += 1
        name = f"mailward_{self._made}"
        await self._as_admin(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        # What belongs to a database and not to what is in it (rights, settings of roles) is not copied.
        db = await self._connect("postgres", name)
        await bootstrap(db)
        if self._shape is None:
            self._shape = await self._shape_of(db)
        await db.close()
        return name

    async def give_back(self, name: str) -> None:
        """Empty it for the next who asks; remove it when more than its rows was changed."""
        if await self._emptied(name):
            self._spare.append(name)
        else:
            await self.drop(name)

    async def drop(self, name: str) -> None:
        """Remove it with whoever is connected."""
        await self._as_admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _emptied(self, name: str) -> bool:
        try:
            db = await self._connect("postgres", name)
        except (asyncpg.PostgresError, OSError):
            return False
        try:
            if await db.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid() "
                "AND backend_type = 'client backend'",
                name,
            ):
                return False  # somebody is still in it
            await db.execute(_EMPTY)
            gone = int(await db.fetchval("SELECT current_setting('mailward_tests.gone')"))
            return gone <= _MANY_ROWS and await self._shape_of(db) == self._shape
        except asyncpg.PostgresError:
            return False
        finally:
            await db.close()

    async def _shape_of(self, db: Any) -> tuple[str, str]:
        await db.execute("SET search_path = mailward")  # so that names are written alike
        return await db.fetchval(_SHAPE), await db.fetchval(_HISTORY)

    async def _make_template(self) -> None:
        await self._as_admin(f"CREATE DATABASE {_TEMPLATE}")
        db = await self._connect("postgres", _TEMPLATE)
        await bootstrap(db)
        await db.execute(f"ALTER ROLE mailward_app PASSWORD '{APP_PASSWORD}'")
        await db.close()
        owner = await self._connect("mailward_owner", _TEMPLATE)
        await migrate(owner, now_us=0)
        await owner.close()

    async def _as_admin(self, statement: str) -> None:
        db = await self._connect("postgres", "postgres")
        try:
            await db.execute(statement)
        finally:
            await db.close()

    async def _connect(self, role: str, database: str) -> Any:
        return await asyncpg.connect(self._url(role, database), ssl=False)
