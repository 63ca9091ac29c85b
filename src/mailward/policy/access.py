"""Who may do what: permissions, key scopes and roles as one table, and the actor every verb receives."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from mailward.base.errors import Forbidden
from mailward.base.ids import WorkspaceId


class Permission(StrEnum):
    """One act each; routes, SMTP commands, CLI commands and jobs name one of these."""

    MESSAGE_SEND = "message.send"
    MESSAGE_READ = "message.read"
    MESSAGE_CONTENT = "message.content"
    MESSAGE_CHANGE = "message.change"
    MESSAGE_ERASE = "message.erase"
    DOMAIN_READ = "domain.read"
    DOMAIN_CHANGE = "domain.change"
    SUPPRESSION_READ = "suppression.read"
    SUPPRESSION_CHANGE = "suppression.change"
    WEBHOOK_READ = "webhook.read"
    WEBHOOK_CHANGE = "webhook.change"
    INBOUND_READ = "inbound.read"
    INBOUND_CHANGE = "inbound.change"
    KEY_READ = "key.read"
    KEY_CHANGE = "key.change"
    AUDIT_READ = "audit.read"
    WORKSPACE_READ = "workspace.read"
    WORKSPACE_CHANGE = "workspace.change"


class Role(StrEnum):
    """People's roles in a workspace; SUPER_ADMIN is the installation's operator."""

    MEMBER = "member"
    ADMIN = "workspace_admin"
    MANAGER = "workspace_manager"
    SUPER_ADMIN = "super_admin"


class Scope(StrEnum):
    """What an API key or SMTP credential reaches."""

    SEND = "send"
    READ = "read"
    ADMIN = "admin"


_READ = frozenset(p for p in Permission if p.value.endswith(".read"))

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.MEMBER: _READ - {Permission.KEY_READ, Permission.AUDIT_READ} | {Permission.MESSAGE_CONTENT},
    Role.ADMIN: frozenset(Permission) - {Permission.WORKSPACE_CHANGE},
    Role.MANAGER: frozenset(Permission),
    # Operators run the installation and hold no standing access to content or to sending as a customer.
    Role.SUPER_ADMIN: frozenset({Permission.WORKSPACE_READ, Permission.WORKSPACE_CHANGE, Permission.AUDIT_READ}),
}

SCOPE_PERMISSIONS: dict[Scope, frozenset[Permission]] = {
    Scope.SEND: frozenset({Permission.MESSAGE_SEND}),
    Scope.READ: _READ - {Permission.KEY_READ, Permission.AUDIT_READ} | {Permission.MESSAGE_CONTENT},
    Scope.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts, already verified. Handed to every verb; the audit log names `kind` and `id`.

    `kind` is "key", "smtp_credential", "session", "network", "cli" or "system". A session's `id` is
    that of its user. `domains`, when not None, are the only domains the credential may send from.
    """

    workspace: WorkspaceId
    kind: str
    id: str
    permissions: frozenset[Permission] = field(default_factory=frozenset)
    role: Role | None = None
    domains: frozenset[str] | None = None


def require(actor: Actor, permission: Permission) -> None:
    """Raise Forbidden unless the actor holds the permission. Default deny."""
    if permission not in actor.permissions:
        raise Forbidden(
            "forbidden",
            f"This credential does not have the permission '{permission.value}'.",
            detail=f"{actor.kind} {actor.id} lacks {permission.value}",
        )
