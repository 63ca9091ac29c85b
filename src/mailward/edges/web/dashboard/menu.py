"""What leads where: the menu of whoever is signed in, without the doors that would not open for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mailward.policy.access import Permission as P


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `key` names its icon, and the page it is marked on; None as `needs` is for everybody signed in."""

    key: str
    path: str
    words: str
    needs: P | None


@dataclass(frozen=True, slots=True)
class Group:
    """Lines under one heading; the first group has none."""

    heading: str
    entries: tuple[Entry, ...]


MENU = (
    Group("", (Entry("overview", "/", "Overview", P.MESSAGE_READ),)),
    Group("Sending", (
        Entry("messages", "/messages", "Messages", P.MESSAGE_READ),
        Entry("templates", "/templates", "Templates", P.TEMPLATE_READ),
        Entry("suppressions", "/suppressions", "Suppressions", P.SUPPRESSION_READ),
    )),
    Group("Receiving", (
        Entry("received", "/received", "Received", P.INBOUND_READ),
        Entry("routes", "/routes", "Routes", P.INBOUND_READ),
    )),
    Group("Developers", (
        Entry("keys", "/keys", "Keys", P.KEY_READ),
        Entry("webhooks", "/webhooks", "Webhooks", P.WEBHOOK_READ),
        Entry("requests", "/requests", "Request log", P.WORKSPACE_READ),
        Entry("reference", "/docs/api", "API reference", None),
    )),
    Group("Workspace", (
        Entry("domains", "/domains", "Domains", P.DOMAIN_READ),
        Entry("team", "/team", "Team", P.MEMBER_READ),
        Entry("audit", "/audit", "Audit log", P.AUDIT_READ),
        Entry("alerts", "/alerts", "Alerts", P.AUDIT_READ),
        Entry("access", "/access", "Access", P.AUDIT_READ),
        Entry("registers", "/settings/registers", "Data protection", P.WORKSPACE_READ),
        Entry("settings", "/settings", "Settings", P.WORKSPACE_READ),
    )),
    Group("You", (Entry("security", "/security", "Security", None),)),
)  # fmt: skip
OPERATOR = Group("Installation", (
    Entry("operator", "/operator", "Operator", None),
    Entry("public", "/operator/registers", "Public registers", None),
    Entry("operator-alerts", "/operator/alerts", "All alerts", None),
    Entry("reports", "/operator/reports", "Reports", None),
    Entry("status", "/operator/status", "Incidents", None),
))  # fmt: skip


def menu(permissions: Collection[P], *, operator: bool) -> list[Group]:
    """The groups in which something is left."""
    groups = (*MENU, OPERATOR) if operator else MENU
    held = [Group(g.heading, tuple(e for e in g.entries if e.needs is None or e.needs in permissions)) for g in groups]
    return [g for g in held if g.entries]
