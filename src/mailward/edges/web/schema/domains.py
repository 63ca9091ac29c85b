# ruff: noqa: RUF012 - msgspec copies an empty default for each instance
"""Domains and the DNS records that prove them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from mailward.edges.web.schema.common import Request, View
from mailward.edges.web.schema.messages import Instant


class AddDomain(Request):
    """A domain you hold. It sends nothing before its records are found."""

    name: Annotated[str, Meta(min_length=3, max_length=253, examples=["example.com"])]
    subdomains: Annotated[bool, Meta(description="Addresses below the domain may be sent from, too.")] = False


class DnsRecord(View):
    """A record to publish, and what was found in its place."""

    purpose: str
    type: str
    name: str
    value: str
    required: bool
    state: str
    zone_line: str = ""
    found: list[str] = []
    hint: str = ""


class DomainSummary(View):
    """One line of a list."""

    id: str
    name: str
    status: str
    created_at: Instant
    checked_at: Instant | None = None
    failing_since: Annotated[
        Instant | None, Meta(description="Since when DNS no longer shows what the domain was verified by.")
    ] = None
    stops_sending_at: Annotated[
        Instant | None, Meta(description="When it stops sending, unless the records return before.")
    ] = None


class DomainTransfer(View):
    """A domain one workspace asks of another. `direction`: asked or asked_of_us; `status`: open, granted or refused."""

    id: str
    domain: str
    name: str
    direction: str
    status: str
    asked_at: Instant
    decided_at: Instant | None = None


class DomainTransfers(View):
    """The newest hundred."""

    data: list[DomainTransfer]


class DecideTransfer(Request):
    """Grant it, and the domain leaves this workspace with its keys and routes; or refuse."""

    grant: bool


class DomainPage(View):
    """Domains by age, newest first."""

    data: list[DomainSummary]
    next_cursor: str | None = None


class Alignment(View):
    """What of mail from the domain is aligned with it, as DNS was last seen; one of the two is enough for DMARC.

    `policy` is what receivers are asked to do with mail that is not: none, quarantine, reject, or "" without a record.
    """

    dkim: bool
    spf: bool
    policy: str = ""


class SigningKeys(View):
    """A generation of keys. `state`: publishing, seen, active (it signs), retiring, or revoked."""

    selectors: list[str]
    state: str
    created_at: Instant
    changed_at: Instant


class DomainDetail(DomainSummary):
    """A domain with its records and each one's state."""

    verified_at: Instant | None = None
    records: list[DnsRecord] = []
    alignment: Alignment | None = None
    signing_keys: list[SigningKeys] = []
    rotation_due_at: Annotated[
        Instant | None, Meta(description="When new keys are made by themselves; null while a rotation is under way.")
    ] = None
