"""The audit log: entries, the signed checkpoint, proofs."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from mailward.edges.web.schema.common import Cursor, Limit, Request, View
from mailward.edges.web.schema.messages import Instant

Id = Annotated[str, Meta(min_length=1, max_length=300)]
Index = Annotated[int, Meta(ge=0, le=2**53)]


class AuditQuery(Request):
    """One page, newest first. `act` is a dotted name, or an area with its dot (`domain.`); the others are ids."""

    limit: Limit = 25
    cursor: Cursor | None = None
    act: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z_.]+$(?!\n)")] | None = None
    actor: Id | None = None
    target: Id | None = None
    since: Instant | None = None
    until: Instant | None = None


class AuditExportQuery(Request):
    """A period, `until` excluded; `since_size` is the size of a checkpoint you kept, to be proved consistent."""

    since: Instant | None = None
    until: Instant | None = None
    since_size: Annotated[int, Meta(ge=1, le=2**53)] | None = None


class AuditEntry(View):
    """Who did what, when, from where. `facts` is null once erased; `leaf_hash` is the leaf's RFC 6962 hash in base64.

    `outcome` is "done", "refused", "held" or "failed"; `address` and `reason` are empty where there is none.
    """

    index: int
    at: Instant
    actor_kind: str
    actor: str
    act: str
    target: str
    facts: dict[str, str] | None
    leaf_hash: str
    id: str = ""
    address: str = ""
    outcome: str = "done"
    reason: str = ""


class AuditPage(View):
    """Entries, newest first."""

    data: list[AuditEntry]
    next_cursor: str | None = None


class Checkpoint(View):
    """The signed head of the log, as a C2SP tlog-checkpoint note."""

    note: str
    size: int
    root_hash: str


class ProofQuery(Request):
    """Inclusion of `index`, or consistency from `first`, in the tree of `size` (default: the newest)."""

    index: Annotated[int, Meta(ge=0, le=2**53, extra_json_schema={"example": 0})] | None = None
    first: Index | None = None
    size: Annotated[int, Meta(ge=1, le=2**53)] | None = None


class Proof(View):
    """Hashes in base64, in the order of RFC 6962 section 2.1."""

    kind: str
    size: int
    hashes: list[str]
    index: int | None = None
    first: int | None = None
    leaf_hash: str | None = None
