"""What the dashboard needs beside the API's ports: people's sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from mailward.base.secret import Secret
from mailward.core.operators.model import Wish
from mailward.edges.web.ports import Alerts as WorkspaceAlerts
from mailward.edges.web.ports import Platform
from mailward.edges.web.schema.access import AccessReview, OperatorAccess
from mailward.edges.web.schema.messages import Content, Explanation, MessagePage, MessageQuery
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
    id: str = ""
    missing: str = ""
    """"enrol" or "step-up" while the session is good for nothing but adding or showing a second factor."""
    operator: bool = False
    """Whether the person runs the installation: which lines a menu has, not what is allowed."""


@dataclass(frozen=True, slots=True)
class Came:
    """Who asks: their address, what their browser calls itself, and the cookie by which it is known."""

    ip: str
    user_agent: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Signing:
    """How far a sign-in got: the token of a session, or a ticket while a second factor is missing."""

    token: Secret[str] | None
    ticket: Secret[str] | None = None


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

    async def sign_in(
        self, email: str, password: str, *, ip: str, user_agent: str, device: str = "", proof: str = ""
    ) -> Signing:
        """A new session's token, or a ticket. `device` is the browser's own cookie, `proof` a solved challenge.

        Raises Unauthenticated, LimitReached, ChallengeRequired, or Forbidden while it is held.
        """
        ...

    async def resolve(self, token: str, *, ip: str) -> Session:
        """The session a cookie stands for. Raises Unauthenticated."""
        ...

    async def sign_out(self, session: Session) -> None: ...


class Proofs(Protocol):
    """Second factors, passkeys and links in letters, for who is not signed in. `context` is bound to the browser."""

    async def setup_passkey(self, token: str, *, email: str, context: bytes) -> dict[str, Any]:
        """Options to make the passkey of the first owner with."""
        ...

    async def setup(
        self, token: str, answer: str, *, email: str, workspace_name: str, context: bytes, came: Came
    ) -> Secret[str]:
        """As `Sessions.setup`, with a passkey in place of a password."""
        ...

    async def methods(self, ticket: str) -> list[str]:
        """What may be shown; NotFound when the step is over."""
        ...

    async def mail_code(self, ticket: str, came: Came) -> None: ...

    async def passkey_for(self, ticket: str) -> dict[str, Any]:
        """Options to show a passkey as second factor with."""
        ...

    async def show(self, ticket: str, came: Came, *, code: str, passkey: str, trust: bool) -> Secret[str]:
        """The session, by a second factor. Unauthenticated when it is wrong or used."""
        ...

    async def ask_passkey(self, context: bytes) -> dict[str, Any]:
        """Options to sign in by passkey alone."""
        ...

    async def by_passkey(self, answer: str, context: bytes, came: Came) -> Secret[str]: ...

    async def forgot(self, email: str, came: Came, *, proof: str) -> None:
        """A letter to whoever has the address. The answer and its time are the same for everybody else."""
        ...

    async def reset_asks(self, token: str) -> bool:
        """Whether a second factor is asked for; NotFound when the link is over."""
        ...

    async def reset(self, token: str, password: str, came: Came, *, code: str, passkey: str) -> None: ...

    async def reset_passkey(self, token: str) -> dict[str, Any]: ...

    async def address(self, token: str) -> tuple[str, str]:
        """(from, to) of a change of address that waits for this link; NotFound when it is over."""
        ...

    async def confirm_address(self, token: str) -> bool:
        """True when the address is changed; False while the other letter has to be opened."""
        ...


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session in the list of somebody's own. `here`: the one that looks."""

    id: str
    device: str
    address: str
    place: str
    workspace: str
    factors: str
    created: datetime
    last_seen: datetime
    here: bool


@dataclass(frozen=True, slots=True)
class ShownFactor:
    """A second factor. `kind` is "totp", "passkey" or "email"."""

    id: str
    kind: str
    name: str
    created: datetime
    used: datetime | None


@dataclass(frozen=True, slots=True)
class ShownDevice:
    """A device that is trusted until `expires`."""

    id: str
    device: str
    address: str
    used: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class ShownSignIn:
    """A sign-in of the past."""

    at: datetime
    device: str
    address: str
    place: str
    why: str


@dataclass(frozen=True, slots=True)
class Own:
    """What somebody sees of their own security."""

    sessions: Sequence[ShownSession]
    factors: Sequence[ShownFactor]
    devices: Sequence[ShownDevice]
    sign_ins: Sequence[ShownSignIn]
    codes: int
    recent: bool
    password: bool


class Security(Protocol):
    """A person's own sessions and factors. Whatever changes them asks for a recent proof: StepUpRequired else."""

    async def own(self, session: Session) -> Own: ...

    async def require_recent(self, session: Session) -> None:
        """Raise StepUpRequired unless the person proved themselves in this session within ten minutes."""
        ...

    async def end(self, session: Session, id: str) -> None: ...

    async def end_others(self, session: Session) -> int: ...

    async def distrust(self, session: Session, id: str) -> None: ...

    async def begin_totp(self, session: Session) -> tuple[str, bytes]:
        """The secret to type, and a QR code as SVG."""
        ...

    async def add_totp(self, session: Session, code: str, name: str) -> tuple[Secret[str], list[str]]:
        """The session's new token, and recovery codes when this is the first factor."""
        ...

    async def new_passkey(self, session: Session) -> dict[str, Any]: ...

    async def add_passkey(self, session: Session, answer: str, name: str) -> tuple[Secret[str], list[str]]: ...

    async def mail_first_code(self, session: Session, came: Came) -> None: ...

    async def add_mail(self, session: Session, code: str) -> tuple[Secret[str], list[str]]: ...

    async def remove(self, session: Session, id: str) -> None: ...

    async def recovery_codes(self, session: Session) -> list[str]: ...

    async def methods(self, session: Session) -> list[str]:
        """What a step-up takes: factors, or "password" for who has none."""
        ...

    async def passkey_again(self, session: Session) -> dict[str, Any]: ...

    async def mail_again(self, session: Session, came: Came) -> None: ...

    async def step_up(self, session: Session, came: Came, *, password: str, code: str, passkey: str) -> Secret[str]:
        """The session's new token."""
        ...

    async def change_password(self, session: Session, old: str, new: str) -> None: ...

    async def change_address(self, session: Session, email: str) -> None: ...

    async def require_of_all(self, session: Session, on: bool) -> None:
        """Whether everybody in the workspace needs a second factor."""
        ...

    async def required_of_all(self, session: Session) -> bool: ...


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

    async def change_own_networks(self, session: Session, networks: list[str], *, ip: str, confirmed: bool) -> None: ...


class Span(Enum):
    """How far back the plots look."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened in an hour or a day from `at` on. The two times are upper bounds for 50 and 95 % of deliveries."""

    at: datetime
    accepted: int
    delivered: int
    deferred: int
    bounced: int
    complained: int
    received: int
    median_ms: int | None
    slow_ms: int | None

    @property
    def ended(self) -> int:
        """Copies that came to an end, one way or the other."""
        return self.delivered + self.bounced

    @property
    def delivered_share(self) -> float | None:
        """Percent of what ended; None when nothing did."""
        return round(100 * self.delivered / self.ended, 2) if self.ended else None

    @property
    def bounced_share(self) -> float | None:
        """Percent of what ended."""
        return round(100 * self.bounced / self.ended, 2) if self.ended else None

    @property
    def complained_share(self) -> float | None:
        """Percent of what was delivered."""
        return round(100 * self.complained / self.delivered, 3) if self.delivered else None


@dataclass(frozen=True, slots=True)
class Spread:
    """Buckets, oldest first, without a gap; and all of them as one."""

    buckets: list[Bucket]
    whole: Bucket
    hourly: bool


@dataclass(frozen=True, slots=True)
class Requested:
    """One answered request to the API."""

    id: str
    at: datetime
    method: str
    operation: str
    status: int
    ms: float
    actor: str


@dataclass(frozen=True, slots=True)
class RequestsAsked:
    """Filters of the request log; all have to fit."""

    limit: int = 50
    cursor: str = ""
    failed: bool = False
    operation: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class RequestsPage:
    """Newest first. `left_out` counts the last day's requests that were answered and not listed."""

    data: list[Requested]
    next: str | None
    left_out: int


class Figures(Protocol):
    """What happened, in numbers."""

    async def spread(self, actor: Actor, span: Span) -> Spread: ...

    async def requests(self, actor: Actor, asked: RequestsAsked) -> RequestsPage: ...


class Operators(Protocol):
    """The installation's operators. Every method raises NotFound for who is none, so that the door does not show."""

    async def workspaces(self, user: str) -> Sequence[Any]: ...

    async def register(self, user: str) -> Sequence[Any]: ...

    async def grants(self, user: str) -> list[OperatorAccess]: ...

    async def reviews(self, user: str) -> list[AccessReview]: ...

    async def certificate(self, user: str) -> dict[str, Any]:
        """Of the certificate that the listeners show: names, issuer, dates in ISO 8601, why the last order failed."""
        ...

    async def request(self, user: str, workspace: str, wish: Wish) -> OperatorAccess: ...

    async def approve(self, user: str, grant: str) -> OperatorAccess: ...

    async def refuse(self, user: str, grant: str) -> OperatorAccess: ...

    async def begin(self, user: str, grant: str) -> OperatorAccess: ...

    async def end(self, user: str, grant: str) -> OperatorAccess: ...

    async def note(self, user: str, who: str, what: str, at: datetime) -> None: ...

    async def decide(self, actor: Actor, id: str, item: str, decision: str) -> AccessReview: ...

    async def reader(self, user: str | None, grant: str) -> Actor: ...

    async def list_messages(self, reader: Any, query: MessageQuery) -> MessagePage: ...

    async def explain(self, reader: Any, message: str) -> Explanation: ...

    async def content(self, reader: Any, message: str) -> Content: ...

    async def configuration(self, reader: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Puzzle:
    """What a page shows of a challenge. `kind` "altcha" is solved by our script; another is an outside service's:
    its script, its element's class, its key, the field it fills in, and what the page has to allow."""

    kind: str
    question: str = ""
    question_token: str = ""
    question_instead: bool = False
    script: str = ""
    css_class: str = ""
    site_key: str = ""
    field: str = ""
    sources: tuple[str, ...] = ()


class Entrance(Protocol):
    """Challenges, and the links in letters about sign-ins."""

    def puzzle(self) -> Puzzle: ...

    def offer(self) -> dict[str, Any]:
        """A proof of work, for our script."""
        ...

    async def look_at(self, token: str, kind: str) -> None:
        """Nothing while the link works, else NotFound. `kind` is "confirm" or "disown"."""
        ...

    async def confirm(self, token: str) -> None: ...

    async def disown(self, token: str, address: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class ProviderShown:
    """Another provider people may sign in with."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Linked:
    """An identity at a provider that signs a person in."""

    id: str
    provider: str
    email: str = field(repr=False)
    created: datetime
    used: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of coming back from a provider: a session's token, or a link."""

    token: Secret[str] | None
    linked: bool
    ticket: Secret[str] | None = None
    """While a second factor is missing."""


class Federated(Protocol):
    """Signing in with other providers. Unauthenticated, without saying why, for an answer that cannot be trusted."""

    @property
    def providers(self) -> Sequence[ProviderShown]: ...

    async def begin(self, provider: str, session: Session | None = None, *, invitation: str = "") -> tuple[str, str]:
        """Where to send the browser, and the value of its cookie; with a session, to link the provider to it; with the
        token of an invitation, to accept that without a password."""
        ...

    async def finish(
        self,
        provider: str,
        cookie: str,
        *,
        state: str,
        code: str,
        issuer: str,
        session: Session | None,
        invitation: str = "",
        ip: str,
        user_agent: str,
    ) -> Outcome: ...

    async def links(self, session: Session) -> Sequence[Linked]: ...

    async def unlink(self, session: Session, link: str) -> None: ...


@dataclass(frozen=True, slots=True)
class OperatorAlert:
    """What an operator sees of an alert: neither whom it is about nor its sentence, which may hold an address.

    `workspace` is a name, "" for one of the installation, which is the operators' to acknowledge.
    """

    id: str
    at: datetime
    rule: str
    severity: str
    workspace: str
    acknowledged: datetime | None


class Alerts(WorkspaceAlerts, Protocol):
    """What the platform's rules recognised as attacks: on the workspace, and for operators anywhere."""

    async def everywhere(self, user: str, *, before: str, limit: int) -> Sequence[OperatorAlert]:
        """Newest first. NotFound unless that person is an operator."""
        ...

    async def acknowledge_ours(self, user: str, id: str) -> None:
        """Note that an alert of the installation was seen. NotFound unless that person is an operator."""
        ...


class DashboardPlatform(Platform, Protocol):
    """Everything the dashboard reaches."""

    @property
    def alerts(self) -> Alerts: ...

    @property
    def operators(self) -> Operators: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def proofs(self) -> Proofs: ...

    @property
    def security(self) -> Security: ...

    @property
    def entrance(self) -> Entrance: ...

    @property
    def figures(self) -> Figures: ...

    @property
    def joining(self) -> Joining: ...

    @property
    def federated(self) -> Federated: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Facts of the installation that pages show. `secure` is True when people reach it over TLS."""

    public_url: str = "http://127.0.0.1:8080"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 1587
    capture: bool = True
    demo_from: str = "hello@demo.mailward.test"
    secure: bool = False
