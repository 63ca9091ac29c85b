"""The dashboard's routes, for the web application to mount at the root."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mailward.base.sources import Entropy
from mailward.edges.web.auth import Origin
from mailward.edges.web.dashboard import guard
from mailward.edges.web.dashboard.desk import Desk
from mailward.edges.web.dashboard.pages.access import AccessPages
from mailward.edges.web.dashboard.pages.alerts import AlertPages
from mailward.edges.web.dashboard.pages.delivery import Suppressions
from mailward.edges.web.dashboard.pages.federation import Federation
from mailward.edges.web.dashboard.pages.figures import RequestPages
from mailward.edges.web.dashboard.pages.held import Held
from mailward.edges.web.dashboard.pages.inbound import Inbound
from mailward.edges.web.dashboard.pages.invitations import Invitations
from mailward.edges.web.dashboard.pages.messages import Messages
from mailward.edges.web.dashboard.pages.operator import OperatorPages
from mailward.edges.web.dashboard.pages.overview import Overview
from mailward.edges.web.dashboard.pages.people import People
from mailward.edges.web.dashboard.pages.proofs import Proofs
from mailward.edges.web.dashboard.pages.public import PublicArea, PublicSide
from mailward.edges.web.dashboard.pages.roles import RolePages
from mailward.edges.web.dashboard.pages.security import Security
from mailward.edges.web.dashboard.pages.settings import AuditLog, Domains, Keys
from mailward.edges.web.dashboard.pages.team import Team
from mailward.edges.web.dashboard.pages.templates import Templates
from mailward.edges.web.dashboard.pages.tracking import TrackingPages
from mailward.edges.web.dashboard.pages.transfers import TransferPages
from mailward.edges.web.dashboard.pages.webhooks import Webhooks
from mailward.edges.web.dashboard.pages.workspace import WorkspaceSettings
from mailward.edges.web.dashboard.ports import DashboardPlatform, Surroundings
from mailward.edges.web.dashboard.render import SECURITY_HEADERS, THEME
from mailward.edges.web.dashboard.static_files import StaticFiles
from mailward.policy.access import Policy


class Private:
    """Lets a page through only over TLS or loopback, with the client's address as a listed proxy saw it.

    `policy` is what the page demands of who asks; it is kept where the route can be asked for it.
    """

    def __init__(self, app: ASGIApp, origin: Origin, policy: Policy) -> None:
        self._app = app
        self._origin = origin
        self.policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        peer = scope.get("client") or ("", 0)
        ip, private = self._origin.of(peer[0], scope["scheme"], scope["headers"])
        if not private:
            text = "Use HTTPS. Plain HTTP is answered only on the loopback interface.\n"
            await Response(text, 403, SECURITY_HEADERS, "text/plain")(scope, receive, send)
            return
        scope["client"] = (ip, peer[1])
        scope["mailward.operation"] = "dashboard"
        THEME.set(guard.theme_of(Request(scope)))
        await self._app(scope, receive, send)


def routes(
    platform: DashboardPlatform,
    surroundings: Surroundings,
    entropy: Entropy,
    origin: Origin | None = None,
    public: PublicArea | None = None,
) -> list[BaseRoute]:
    """Every page, act and static file, each behind its own check of who asks.

    Raises TypeError for a route without a policy: `desk.shows` and `desk.acts` take one, and
    `desk.public` says that a page is for strangers.
    """
    static = StaticFiles()
    desk = Desk(platform, surroundings, entropy, static)
    found: list[BaseRoute] = [Route("/static/{name:path}", desk.public(static.serve), methods=["GET"])]
    areas = (
        People, Proofs, Security, Held, Federation, Invitations, Overview, Messages, Inbound, TransferPages, Domains,
        Keys, Suppressions, Templates, Webhooks, RolePages, Team, AuditLog, WorkspaceSettings, TrackingPages,
        RequestPages,
        AlertPages, AccessPages, OperatorPages,
    )  # fmt: skip
    for area in areas:
        found += area(desk).routes()
    if public is not None:
        found += PublicSide(desk, public).routes()
    for route in found:
        if not isinstance(route, Route) or route.endpoint not in desk.policies:
            raise TypeError(f"the page {getattr(route, 'path', route)} has no policy")
        route.app = Private(route.app, origin or Origin(), desk.policies[route.endpoint])
    return found
