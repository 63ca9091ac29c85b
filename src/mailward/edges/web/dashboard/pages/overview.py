"""The first page: figures, the newest messages, and for a new workspace a key with commands to paste."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.secret import Secret
from mailward.edges.web.dashboard.desk import Desk, Form, client_ip
from mailward.edges.web.dashboard.ports import Session, Span
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.schema.common import PageQuery
from mailward.edges.web.schema.keys import CreateCredential, CreateKey
from mailward.edges.web.schema.messages import MessageQuery
from mailward.policy.access import Permission

_SPANS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}


@dataclass(frozen=True, slots=True)
class FirstSecrets:
    """What the commands of the first steps are filled in with; on one page only."""

    key: str = field(default="YOUR_KEY", repr=False)
    user: str = "YOUR_USER_NAME"
    password: str = field(default="YOUR_PASSWORD", repr=False)
    shown: bool = False
    by_passkey: bool = False
    """Whether their owner has just begun with a passkey and nothing else."""


async def first_secrets(desk: Desk, session: Session, *, by_passkey: bool = False) -> FirstSecrets:
    """Make an API key that sends and reads, and an SMTP credential."""
    keys = desk.platform.keys
    key = await keys.create_key(session.actor, CreateKey(name="First steps", scopes=["send", "read"]))
    smtp = await keys.create_credential(session.actor, CreateCredential(name="First steps"))
    return FirstSecrets(key.secret, smtp.username or "", smtp.password or "", shown=True, by_passkey=by_passkey)


async def overview(desk: Desk, request: Request, session: Session, first: FirstSecrets | None = None) -> Response:
    """The page. `first` is set in the one answer that shows fresh secrets."""
    platform, actor = desk.platform, session.actor
    asked = request.query_params.get("span", "")
    span = Span(asked) if asked in _SPANS else Span.DAY
    page = await platform.messages.find(actor, MessageQuery(limit=10))
    may = actor.permissions
    whole = PageQuery(limit=100)
    around = desk.surroundings
    return desk.page(
        session,
        "overview.html",
        here="overview",
        paused=await platform.keys.paused(actor) if Permission.KEY_READ in may else [],
        domains=(await platform.domains.list(actor, whole)).data if Permission.DOMAIN_READ in may else [],
        webhooks=(await platform.webhooks.list(actor, whole)).data if Permission.WEBHOOK_READ in may else [],
        sending=await platform.messages.sending(actor),
        spread=await platform.figures.spread(actor, span),
        span=span.value,
        spans=list(_SPANS.items()),
        messages=page.data,
        around=around,
        first=first or FirstSecrets(),
        sender=around.demo_from if around.capture else "hello@YOUR_DOMAIN",
        poll="/messages/rows?limit=10",
    )


async def begin(desk: Desk, request: Request, token: Secret[str], *, by_passkey: bool = False) -> Response:
    """The answer to the setup form: a session, and the overview with the first key, which is never shown again."""
    session = await desk.platform.sessions.resolve(token.reveal(), ip=client_ip(request))
    first = await first_secrets(desk, session, by_passkey=by_passkey)
    return desk.begun(await overview(desk, request, session, first), token)


class Overview:
    """The first page, and the button on it that makes a key to start with."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The page, and the act of its button."""
        return [
            Route("/", self._desk.shows(self.show, Permission.MESSAGE_READ), methods=["GET"]),
            Route("/first-steps", self._desk.acts(self.make, Permission.KEY_CHANGE), methods=["POST"]),
        ]

    async def show(self, request: Request, session: Session) -> Response:
        """What happened in numbers, the newest messages, first steps; without the numbers, the list."""
        if Permission.WORKSPACE_READ not in session.actor.permissions:
            return redirect("/messages")
        return await overview(self._desk, request, session)

    async def make(self, request: Request, session: Session, form: Form) -> Response:
        """A key and an SMTP credential, filled in; the answer is the only page that ever holds them."""
        return await overview(self._desk, request, session, await first_secrets(self._desk, session))
