"""What the dashboard needs beside the API's ports: people's sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from mailward.base.secret import Secret
from mailward.edges.web.ports import Platform
from mailward.policy.access import Actor


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace somebody may go to."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person. `token` is what the cookie carries; forms prove that they know it."""

    token: Secret[str]
    actor: Actor
    email: str = field(repr=False)
    workspace_name: str = ""
    places: tuple[Place, ...] = ()


class Sessions(Protocol):
    """People signing in. Raises errors of `base/errors`; which part was wrong is never said."""

    async def setup_open(self, token: str) -> None:
        """Nothing, when the single-use setup link can still be used; else NotFound."""
        ...

    async def setup(
        self, token: str, *, email: str, password: str, workspace_name: str, ip: str, user_agent: str
    ) -> Secret[str]:
        """Use the link up: the first person and workspace. The session token of the new person.

        Raises Invalid with `field` set for a weak password or a bad address, NotFound for a used link.
        """
        ...

    async def sign_in(self, email: str, password: str, *, ip: str, user_agent: str) -> Secret[str]:
        """A new session's token. Raises Unauthenticated or LimitReached."""
        ...

    async def resolve(self, token: str, *, ip: str) -> Session:
        """The session a cookie stands for. Raises Unauthenticated."""
        ...

    async def sign_out(self, session: Session) -> None: ...


@dataclass(frozen=True, slots=True)
class Invited:
    """What an invitation's link offers. `has_account`: the address belongs to somebody who only has to sign in."""

    email: str = field(repr=False)
    workspace: str
    role: str
    has_account: bool


class Joining(Protocol):
    """Invitations as their receivers see them, several workspaces for a person, and a person's own networks."""

    async def look(self, token: str) -> Invited:
        """Raises NotFound when the link does not work."""
        ...

    async def accept_as_new(self, token: str, *, name: str, password: str, ip: str, user_agent: str) -> Secret[str]:
        """The session token of the new person."""
        ...

    async def accept_as(self, token: str, session: Session, *, ip: str) -> Secret[str]:
        """The person's session, moved to the workspace they joined. Forbidden under another address."""
        ...

    async def switch(self, session: Session, workspace: str, *, ip: str) -> Secret[str]:
        """The session, moved; its earlier token is worth nothing."""
        ...

    async def found(self, session: Session, name: str, *, ip: str) -> Secret[str]: ...

    async def leave(self, session: Session) -> None: ...

    async def own_networks(self, session: Session) -> list[str]: ...

    async def change_own_networks(
        self, session: Session, networks: list[str], *, ip: str, confirmed: bool
    ) -> None: ...


class DashboardPlatform(Platform, Protocol):
    """Everything the dashboard reaches."""

    @property
    def sessions(self) -> Sessions: ...

    @property
    def joining(self) -> Joining: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Facts of the installation that pages show. `secure` is True when people reach it over TLS."""

    public_url: str = "http://127.0.0.1:8080"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 1587
    capture: bool = True
    demo_from: str = "hello@demo.mailward.test"
    secure: bool = False
