"""Whether a server is fit to hold mail: its version, our role's rights, what it does with a commit, TLS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from mailward.base.errors import Unavailable

_OLDEST = 15


class Judged(NamedTuple):
    """One thing looked at. `state` is "ok", "warning" or "wrong"; `advice` says what to do."""

    what: str
    state: str
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says of itself and of the role we connected as."""

    version: int
    version_text: str
    role: str
    superuser: bool
    bypass: bool
    creates: bool
    owns: int
    is_owner: bool
    sees: int
    may_become: bool
    standing_bypass: bool
    encrypted: bool
    cipher: str
    settings: dict[str, str]

    @property
    def commits_durably(self) -> bool:
        """A COMMIT is answered when it is on disk, unless we say otherwise."""
        return self.settings.get("synchronous_commit") != "off"

    @property
    def archives(self) -> bool:
        """The write-ahead log is handed to something that keeps it."""
        given = self.settings.get("archive_command") not in ("", "(disabled)", None)
        return self.settings.get("archive_mode", "off") != "off" and (
            given or bool(self.settings.get("archive_library"))
        )


_ROLE = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_user::text,
       r.rolsuper, r.rolbypassrls, r.rolcreaterole OR r.rolcreatedb,
       (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'mailward' AND c.relowner = r.oid),
       EXISTS (SELECT FROM pg_catalog.pg_roles o
         WHERE o.rolname = 'mailward_owner' AND pg_catalog.pg_has_role(r.oid, o.oid, 'MEMBER')),
       (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'mailward' AND c.relkind IN ('r', 'p')
           AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
           AND pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT')),
       (SELECT count(*) FROM pg_catalog.pg_roles m WHERE m.rolname IN ('mailward_tenant', 'mailward_system')
         AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')) = 2,
       EXISTS (SELECT FROM pg_catalog.pg_roles m WHERE m.rolname IN ('mailward_tenant', 'mailward_system')
         AND (m.rolsuper OR m.rolbypassrls OR m.rolcanlogin)),
       coalesce((SELECT s.ssl FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_catalog.pg_backend_pid()), false),
       coalesce((SELECT s.version || ' ' || s.cipher FROM pg_catalog.pg_stat_ssl s
         WHERE s.pid = pg_catalog.pg_backend_pid()), '')
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
"""
_SETTINGS = (
    "fsync", "full_page_writes", "synchronous_commit", "max_connections", "synchronous_standby_names", "archive_mode",
    "archive_command", "archive_library", "superuser_reserved_connections", "reserved_connections",
)  # fmt: skip


async def facts_of(db: Any) -> ServerFacts:
    """Ask the server, over a connection as the role the platform uses."""
    row = await db.fetchrow(_ROLE)
    settings = await db.fetch("SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY($1)", list(_SETTINGS))
    values: list[Any] = [*row, dict(settings)]
    return ServerFacts(*values)


def judge(f: ServerFacts) -> list[Judged]:
    """Every finding, in the order in which to mend them."""
    return [
        _one("database version", f.version >= _OLDEST * 10_000, f.version_text, f"PostgreSQL {_OLDEST} or newer."),
        _one(
            "database role",
            not (f.superuser or f.bypass or f.owns or f.is_owner),
            f.role + _faults(f),
            "Row-level security does not bind it: connect as mailward_app, made by `mailward storage bootstrap`.",
        ),
        _one(
            "database role's reach",
            f.may_become and not f.sees and not f.standing_bypass,
            "sees nothing by itself"
            if f.may_become and not f.sees and not f.standing_bypass
            else f"reads {f.sees} tables without taking on a role"
            if f.sees
            else "the tenant's and the system's roles are missing, not granted, or stand above row-level security",
            "Run `mailward storage bootstrap` again; the role must not inherit (NOINHERIT).",
        ),
        Judged(
            "database TLS", "ok", f.cipher if f.encrypted else "none: local by a socket, or a listed loopback address"
        ),
        _one(
            "fsync",
            f.settings.get("fsync") == "on",
            f.settings.get("fsync", "?"),
            "An accepted message must be on disk.",
        ),
        Judged(
            "full_page_writes",
            "ok" if f.settings.get("full_page_writes") == "on" else "warning",
            f.settings.get("full_page_writes", "?"),
            "" if f.settings.get("full_page_writes") == "on" else "Off is safe on a few file systems only.",
        ),
        Judged(
            "synchronous_commit",
            "ok",
            f.settings.get("synchronous_commit", "?")
            + ("" if f.commits_durably else ": each of our transactions sets it on")
            + (f", with replicas {names}" if (names := f.settings.get("synchronous_standby_names")) else ""),
        ),
        Judged(
            "write-ahead log",
            "ok" if f.archives else "warning",
            "archived"
            if f.archives
            else "not archived, as far as the server says: no minute of the past can be restored",
            "" if f.archives else "Archive it (pgBackRest, archive_command), unless your provider does so unseen.",
        ),
        Judged(
            "createrole, createdb",
            "warning" if f.creates and not f.superuser else "ok",
            "granted" if f.creates else "not granted",
            "Take them away from the platform's role." if f.creates else "",
        ),
    ]


def judge_connections(f: ServerFacts, *, a_node: int, nodes: int) -> Judged:
    """Whether the server has room for `nodes` that open `a_node` connections each at most."""
    there = int(f.settings.get("max_connections", "0"))
    kept = sum(int(f.settings.get(n, "0")) for n in ("superuser_reserved_connections", "reserved_connections"))
    wanted = a_node * nodes
    found = f"{a_node} for each of {nodes} {'node' if nodes == 1 else 'nodes'}, {there - kept} of {there} to be had"
    if wanted <= there - kept:
        return Judged("database connections", "ok", found)
    return Judged(
        "database connections",
        "warning",
        found,
        f"Set max_connections to {wanted + kept + 10} or more, lower storage.committers, storage.readers or "
        "server.workers, or put a pooler between (storage.pooler).",
    )


def _one(what: str, good: bool, found: str, advice: str) -> Judged:
    return Judged(what, "ok" if good else "wrong", found, "" if good else advice)


def _faults(f: ServerFacts) -> str:
    faults = [
        text
        for wrong, text in (
            (f.superuser, "is a superuser"),
            (f.bypass, "may bypass row-level security"),
            (f.owns > 0, f"owns {f.owns} relations"),
            (f.is_owner, "may become the owner"),
        )
        if wrong
    ]
    return f" {', '.join(faults)}" if faults else " owns nothing and is bound by row-level security"


async def require_server(db: Any) -> ServerFacts:
    """The facts; Unavailable, saying what to do, when the server is unfit."""
    facts = await facts_of(db)
    wrong = [j for j in judge(facts) if j.state == "wrong"]
    if wrong:
        text = "; ".join(f"{j.what}: {j.found}. {j.advice}" for j in wrong)
        raise Unavailable("storage_unfit", f"The database cannot be used as it is: {text}")
    return facts
