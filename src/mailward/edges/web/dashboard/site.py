"""The dashboard's routes, for the web application to mount at the root."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from mailward.base.sources import Entropy
from mailward.edges.web.dashboard.desk import Desk
from mailward.edges.web.dashboard.pages.delivery import Suppressions, Webhooks
from mailward.edges.web.dashboard.pages.messages import Messages
from mailward.edges.web.dashboard.pages.people import People
from mailward.edges.web.dashboard.pages.settings import AuditLog, Domains, Keys
from mailward.edges.web.dashboard.ports import DashboardPlatform, Surroundings
from mailward.edges.web.dashboard.static_files import StaticFiles


def routes(platform: DashboardPlatform, surroundings: Surroundings, entropy: Entropy) -> list[BaseRoute]:
    """Every page, act and static file, each behind its own check of who asks."""
    static = StaticFiles()
    desk = Desk(platform, surroundings, entropy, static)
    found: list[BaseRoute] = [Route("/static/{name:path}", static.serve, methods=["GET"])]
    for area in (People, Messages, Domains, Keys, Suppressions, Webhooks, AuditLog):
        found += area(desk).routes()
    return found
