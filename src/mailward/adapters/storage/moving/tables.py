"""Every table that moves, and every table that does not with the reason: one that is in neither list fails a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

Row = tuple[Any, ...]
"""Values of a row in the embedded store's form, in the order of `Table.columns`."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table by the name it has on PostgreSQL; on the embedded store `t_` stands before it when it has an owner."""

    name: str
    key: tuple[str, ...]
    """The columns by which rows are read in order and the move remembers its place: unique together."""
    rest: tuple[str, ...]
    body: str = ""
    """For a table whose rows name bodies (segment, seg_offset, seg_length): the column with the id it is sealed for."""
    day: str = ""
    """For a table that PostgreSQL keeps in days: the column with the id that tells the day."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, the key first."""
        return self.key + self.rest

    @property
    def embedded(self) -> str:
        """Its name on the embedded store."""
        return f"t_{self.name}" if "workspace" in self.key else self.name

    def at(self, column: str) -> int:
        """Where a column stands in a row."""
        return self.columns.index(column)


def _table(name: str, key: str, rest: str = "", **more: str) -> Table:
    return Table(name, tuple(key.split()), tuple(rest.split()), **more)


_PLACE = "segment seg_offset seg_length"

TABLES: Final[Sequence[Table]] = (
    _table("counters", "name", "value"),
    _table("workspaces", "workspace", "name created settings"),
    _table("data_keys", "workspace day version", "wrapped destroyed"),
    _table("users", "id", "email name password created disabled"),
    _table("known_places", "account place", "at"),
    _table("sign_ins", "user id", "at level began details"),
    _table("sign_in_links", "token_hash", "kind user expires used details"),
    _table("alerts", "workspace id", "at rule severity subject details acknowledged acknowledged_by"),
    _table("setup_links", "token_hash", "created expires used"),
    _table("operators", "id", "made made_by ended ended_by register"),
    _table(
        "operator_grants",
        "workspace id",
        "operator wish state requested ready approver approved permitted permitted_by began ends ended ended_by why "
        "told",
    ),
    _table("access_reviews", "workspace id", "quarter opened items escalated suspended closed told"),
    _table("members", "workspace user", "email name role joined"),
    _table(
        "sessions", "workspace id", "user token_hash created last_seen device address factors stepped_up network place"
    ),
    _table("factors", "id", "user kind name secret handle counter created used"),
    _table("recovery_codes", "user code_hash", "created"),
    _table("tickets", "token_hash", "kind user facts tries expires"),
    _table("trusted_devices", "id", "user token_hash device address created used expires"),
    _table("roles", "workspace id", "name permissions created created_by"),
    _table("role_holders", "workspace user", "role"),
    _table("invitations", "workspace id", "email role token_hash invited_by created sent expires accepted revoked"),
    _table("identity_links", "identity", "user provider email created used"),
    _table("user_networks", "user", "networks changed"),
    _table(
        "credentials",
        "workspace id",
        "kind name hint token_hash scopes domains networks created created_by expires last_used revoked paused "
        "pause_reason released successor",
    ),
    _table("credential_traffic", "workspace credential slot", "recipients"),
    _table(
        "domains",
        "workspace id",
        "name state token subdomains created verified_at checked_at next_check failures failing_since "
        "own_return_path checks",
    ),
    _table(
        "dkim_pairs",
        "workspace id",
        "domain stem state rsa_public ed25519_public rsa_sealed ed25519_sealed created changed wait",
    ),
    _table("dkim_selectors", "workspace name stem"),
    # By the id, of which there is an index: the primary key ends in a text, which a database may order in its own way.
    _table("suppressions", "workspace id", "token stream address reason source created"),
    _table("pauses", "workspace stream", "at reason"),
    _table("usage", "workspace day what", "count"),
    _table("hours", "workspace hour what", "count"),
    _table("requests", "workspace id", "method operation status us actor"),
    _table("idempotency", "workspace key", "expires body answer"),
    _table("audit", "workspace seq", "id at act leaf"),
    _table("audit_facts", "workspace id", "salt facts"),
    _table("audit_nodes", "workspace level idx", "hash"),
    _table("audit_heads", "workspace size", "root at note anchor"),
    _table("audit_pending", "workspace"),
    _table(
        "webhooks",
        "workspace id",
        "url types description enabled disabled_reason created failing_since disabled_at owner_told",
    ),
    _table("webhook_secrets", "workspace webhook created", "sealed expires"),
    _table("webhook_events", "workspace id", "type at body"),
    _table("webhook_jobs", "workspace webhook event", "type state attempts due replay lessee"),
    _table(
        "webhook_attempts",
        "workspace webhook id",
        "event type at number outcome status elapsed_ms response next_due",
    ),
    _table("webhook_replays", "workspace webhook id", "since until only_failed total more"),
    _table(
        "inbound_routes",
        "workspace id",
        "details enabled created disabled_at failing_since owner_told",
    ),
    _table("inbound_secrets", "workspace route created", "sealed expires"),
    _table("received", "workspace id", f"at {_PLACE} facts reason content_gone", body="id", day="id"),
    _table("received_copies", "workspace route received", "state attempts due replay lessee", day="received"),
    _table(
        "received_attempts",
        "workspace received id",
        "route at number outcome status elapsed_ms response next_due",
        day="received",
    ),
    _table("inbound_replays", "workspace route id", "since until only_failed total more"),
    _table("messages", "workspace id", f"created {_PLACE} facts content_gone", body="id", day="id"),
    _table(
        "deliveries",
        "workspace message n",
        "recipient state due lessee attempts updated reason dsn",
        day="message",
    ),
    _table("attempts", "workspace message n attempt", "at facts", day="message"),
    _table("timeline", "workspace message at moment", "facts", day="message"),
    _table("retention", "workspace", "content_upto"),
    _table("content_waiting", "workspace message"),
    _table("private_parts", "workspace message", "sealed"),
    _table("redaction", "workspace kind", "upto"),
    _table("redaction_waiting", "workspace kind message"),
    _table("evidence_changes", "id", "control at state"),
    _table("evidence_runs", "id", "at cause summary"),
    _table("availability_days", "day", "measured good api submission mx last"),
    _table("availability_outages", "began", "until services"),
    _table("availability_posts", "id", "at ended body"),
    _table("certificates", "serial", "names issued expires sealed"),
    _table("certificate_notes", "name", "body until"),
    _table("disclosure_reports", "id", "token_hash at due state acknowledged updated alerted content origin digest"),
    _table("disclosure_mails", "id", "message"),
    _table("register_entries", "id", "kind changed body"),
    _table("register_followers", "workspace", "since"),
    _table("register_notices", "workspace id", "at body told"),
    _table("agreement_signings", "workspace id", "at hash body"),
    _table("templates", "workspace id", "name description draft current created changed"),
    _table("template_versions", "workspace template number", "at actor body"),
    _table("ceilings", "tenant", "api messages"),
    _table("owner_notices", "id", "tenant at kind about told"),
    _table("tracking_modes", "workspace scope", "mode"),
    _table("tracking_opt_outs", "workspace token", "at"),
    _table("domain_transfers", "id", "asker domain holder held asked asked_by state decided"),
    _table("erasures", "workspace message", f"{_PLACE} at"),
)

OF_A_PLACE: Final = frozenset(("erasures",))
"""Tables that speak of octets where they lie: they move only when bodies stay where they are. An erased message's body
has no row and is not copied, so at another place there is nothing left to overwrite."""

STAYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "search": "indexed anew by the target's upkeep; searches read the messages themselves until then",
        "search_runs": "the same",
        "search_progress": "the same",
        "evidence_results": "found anew by the target's first run of checks",
        "backups": "copies of the source; their place keeps them, and the target has others",
        "restore_tests": "of those copies",
        "schema_migrations": "each store's own history",
        "moves": "how far a move into this store has come",
        "worker_slots": "processes that ran here; their leases move as work that is due",
        "nodes": "machines that shared the source",
        "operator_logins": "roles of the source's server; a live grant gets a new one",
        "guard_buckets": "nothing is locked after a move, which costs an attacker's tries once",
        "spent_challenges": "live for minutes",
        "observations": "habits are learnt anew",
        "rate_buckets": "full again by the time the target runs",
        "connection_seats": "connections to machines of the source",
        "commit_marks": "connections of the source",
        "partition_days": "made at the target for the days that rows need",
        "received_days_from": "how the source lays out what it received; the target has its own",
    }
)

_LEASED, _QUEUED = 1, 0
_COURIERS: Final = frozenset(("received_copies", "webhook_jobs"))


def settled(table: Table, row: Row) -> Row:
    """The row as it arrives: a delivery somebody held a lease on becomes due, since when it last changed.

    What a courier held, which is a minute at most, stays due when that lease ends, and is nobody's.
    """
    if table.name in _COURIERS and row[table.at("lessee")]:
        values = list(row)
        values[table.at("lessee")] = 0
        return tuple(values)
    if table.name != "deliveries" or row[table.at("state")] != _LEASED:
        return row
    values = list(row)
    values[table.at("state")] = _QUEUED
    values[table.at("lessee")] = 0
    values[table.at("due")] = values[table.at("updated")]
    return tuple(values)


def comparable(table: Table, row: Row) -> Row:
    """The row without where its body lies, which differs between two places; how long it is stays."""
    if not table.body:
        return row
    values = list(row)
    values[table.at("segment")] = None if values[table.at("segment")] is None else 0
    values[table.at("seg_offset")] = None
    return tuple(values)
