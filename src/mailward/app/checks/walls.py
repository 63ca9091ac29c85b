"""AUTHZ-2 on PostgreSQL, third look: each table's wall as the catalogue describes it, and the roles it is to hold.

Rows tell nothing of a wall that came down around a table that is empty, and a query of ours nothing of a policy
that lets somebody else in. The catalogue tells both, of every table there is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.evidence.model import Finding, failed, passed

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.sql import Sql
    from mailward.app.store import Tx

# Every relation with an owner column: its kind, both switches of its wall, whose it is, and whether it is a day.
_TABLES = """
SELECT c.relname, c.relkind::text, c.relrowsecurity, c.relforcerowsecurity, pg_catalog.pg_get_userbyid(c.relowner),
       c.relispartition
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'workspace' AND NOT a.attisdropped
 WHERE n.nspname = 'mailward' AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1
"""
_POLICIES = """
SELECT tablename, policyname, permissive, roles::text[], cmd, coalesce(qual, ''), coalesce(with_check, '')
  FROM pg_catalog.pg_policies WHERE schemaname = 'mailward' ORDER BY 1, 2
"""
# What no wall holds, and who could become it.
_ROLES = """
SELECT r.rolname, r.rolsuper, r.rolbypassrls, pg_catalog.pg_has_role(r.oid, o.oid, 'MEMBER') AND r.oid <> o.oid
  FROM pg_catalog.pg_roles AS r, pg_catalog.pg_roles AS o
 WHERE o.rolname = 'mailward_owner' AND (r.rolname IN ('mailward_owner', 'mailward_tenant', 'mailward_system')
    OR r.rolname = session_user) ORDER BY 1
"""
_MINE = "(workspace = bound_workspace())"
# Name of a policy -> whom it lets do what, to which rows.
_EXPECTED = {
    "tenant": (["mailward_tenant"], "ALL", _MINE, _MINE),
    "system": (["mailward_system"], "ALL", "true", "true"),
}
# Two more that may be there: the owner's look at open copies (drop_day), and an operator's grant to read.
_FURTHER = {
    "keeper": (["mailward_owner"], "SELECT", "true", ""),
    "reader": (["mailward_reader"], "SELECT", "(workspace = reader_workspace())", ""),
}
_KEPT = "open_deliveries"


@check("AUTHZ-2")
async def every_table_has_its_wall(context: Context) -> Finding:
    """Row security of every table of workspaces is on and forced, with its own policies alone; no role stands above."""
    if context.settings.storage.kind != "postgres":
        return passed(
            "the embedded store has no policies to drop: its tables are refused to every query outside a scope"
        )

    async def read(tx: Tx) -> tuple[list[Any], list[Any], list[Any]]:
        sql = cast("Sql", tx)
        return list(await sql.rows(_TABLES)), list(await sql.rows(_POLICIES)), list(await sql.rows(_ROLES))

    tables, policies, roles = await context.store.system_read(read)
    gaps = [*gaps_in(tables, policies), *above(roles)]
    if gaps or not tables:
        more = f", and {len(gaps) - 3} more" if len(gaps) > 3 else ""
        return failed("; ".join(gaps[:3]) + more if gaps else "no table of workspaces is found")
    return passed(
        f"{len(tables)} tables: row security on and forced, each policy as it was made; no role stands above it"
    )


def gaps_in(tables: Iterable[Any], policies: Iterable[Any]) -> list[str]:
    """What is wrong with the walls, by table."""
    held: dict[str, dict[str, tuple[Any, ...]]] = defaultdict(dict)
    for table, name, permissive, *rest in policies:
        to, cmd, using, checked = rest
        plain = tuple(text.replace("mailward.", "") for text in (using, checked))
        held[table][name] = (list(to), cmd, *plain) if permissive == "PERMISSIVE" else ()
    out = []
    for name, kind, on, forced, owner, is_day in tables:
        if kind not in ("r", "p"):
            out.append(f"{name} is a view or foreign table over rows of workspaces")
        elif not on:
            out.append(f"row security of {name} is off")
        elif not forced:
            out.append(f"row security of {name} does not bind its owner")
        elif owner != "mailward_owner":
            out.append(f"{name} belongs to {owner}")
        else:
            out += [f"{name}: {text}" for text in _wrong(name, held.get(name, {}), {} if is_day else _EXPECTED)]
    return out


def _wrong(table: str, held: dict[str, tuple[Any, ...]], wanted: dict[str, tuple[Any, ...]]) -> list[str]:
    out = [f"its policy {name} is gone" for name in wanted if name not in held]
    for name, policy in held.items():
        further = {} if not wanted or (name == "keeper" and table != _KEPT) else _FURTHER
        known = (wanted | further).get(name)
        if known is None:
            out.append(f"a policy {name} that is not ours")
        elif policy != known:
            out.append(f"its policy {name} is another than it was")
    return out


def above(roles: Iterable[Any]) -> list[str]:
    """Roles that row security does not hold."""
    out = []
    for name, superuser, bypasses, may_own in roles:
        if superuser or bypasses:
            out.append(f"{name} {'is a superuser' if superuser else 'may bypass row security'}")
        if may_own:
            out.append(f"{name} may become the owner of the tables")
    return out
