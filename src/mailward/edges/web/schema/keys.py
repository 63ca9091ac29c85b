# ruff: noqa: RUF012 - msgspec copies an empty default for each instance
"""API keys and SMTP credentials."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mailward.edges.web.schema.common import PageQuery, Request, View
from mailward.edges.web.schema.messages import Instant

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Scope = Literal[
    "send",
    "read",
    "inbound",
    "domains",
    "suppressions",
    "webhooks",
    "templates",
    "keys",
    "members",
    "audit",
    "admin",
]
Domains = Annotated[
    list[Annotated[str, Meta(min_length=3, max_length=253, examples=["example.com"])]],
    Meta(min_length=1, max_length=50),
]
Networks = Annotated[list[Annotated[str, Meta(max_length=64, examples=["192.0.2.0/24"])]], Meta(max_length=50)]


class CreateKey(Request):
    """A key with the least it needs."""

    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=11, examples=[["send"]])]
    expires_at: Instant | None = None
    networks: Networks = []
    domains: Domains | None = None


class Rotate(Request):
    """How long the old one goes on working beside its successor."""

    grace_hours: Annotated[int, Meta(ge=0, le=720)] = 24


class Key(View):
    """A key; only its prefix is known to us. `paused_at`: it sends nothing until it is released."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    networks: list[str]
    created_at: Instant
    domains: list[str] | None = None
    expires_at: Instant | None = None
    last_used_at: Instant | None = None
    revoked_at: Instant | None = None
    paused_at: Instant | None = None
    pause_reason: str = ""
    successor: str | None = None


class NewKey(Key):
    """A key with its secret, shown this once."""

    secret: str = ""


class KeyQuery(PageQuery):
    """One page, newest first. `revoked=false` leaves out what no longer works."""

    revoked: bool = True


class KeyPage(View):
    """Keys, newest first."""

    data: list[Key]
    next_cursor: str | None = None


class CreateCredential(Request):
    """For SMTP submission: a user name and password, or for the private listener the networks it stands for."""

    name: Name
    kind: Literal["password", "network"] = "password"
    expires_at: Instant | None = None
    networks: Networks = []
    domains: Domains | None = None


class Credential(View):
    """An SMTP credential without its password."""

    id: str
    name: str
    username: str
    networks: list[str]
    created_at: Instant
    kind: str = "password"
    domains: list[str] | None = None
    expires_at: Instant | None = None
    last_used_at: Instant | None = None
    revoked_at: Instant | None = None
    paused_at: Instant | None = None
    pause_reason: str = ""
    successor: str | None = None


class NewCredential(Credential):
    """An SMTP credential with its password, shown this once; null for a network."""

    password: str | None = None


class CredentialPage(View):
    """Credentials, newest first."""

    data: list[Credential]
    next_cursor: str | None = None


class Paused(View):
    """A credential that waits for its owner's word: "keys" or "credentials", and why it was paused."""

    area: Literal["keys", "credentials"]
    id: str
    name: str
    paused_at: Instant
    reason: str


class LeakReport(Request):
    """A secret that was found, and where: an address or a few words. The answer is the same for any text."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]
    where: Annotated[str, Meta(max_length=300)] = ""


class LeakReceived(View):
    """Nothing is told about the secret."""

    received: bool = True
