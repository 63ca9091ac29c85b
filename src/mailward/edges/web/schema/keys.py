# ruff: noqa: RUF012 - msgspec copies an empty default for each instance
"""API keys and SMTP credentials."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mailward.edges.web.schema.common import Request, View
from mailward.edges.web.schema.messages import Instant

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Scope = Literal["send", "read", "admin"]
Domains = Annotated[
    list[Annotated[str, Meta(min_length=3, max_length=253, examples=["example.com"])]],
    Meta(min_length=1, max_length=50),
]
Networks = Annotated[list[Annotated[str, Meta(max_length=64, examples=["192.0.2.0/24"])]], Meta(max_length=50)]


class CreateKey(Request):
    """A key with the least it needs."""

    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=3, examples=[["send"]])]
    expires_at: Instant | None = None
    networks: Networks = []
    domains: Domains | None = None


class Key(View):
    """A key; only its prefix is known to us."""

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


class NewKey(Key):
    """A key with its secret, shown this once."""

    secret: str = ""


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


class NewCredential(Credential):
    """An SMTP credential with its password, shown this once; null for a network."""

    password: str | None = None


class CredentialPage(View):
    """Credentials, newest first."""

    data: list[Credential]
    next_cursor: str | None = None
