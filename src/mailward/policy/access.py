"""Who may do what: permissions, people's roles and keys' scopes as one table, and the actor every verb receives.

This file says who holds which permission; `policy/boundaries.py` says which one each SMTP
command, command of the command line and background job needs; an HTTP operation and a
dashboard route name theirs where they stand. What names none cannot start. Nothing here
is a default: whoever is not given a permission does not have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from mailward.base.errors import Forbidden
from mailward.base.ids import WorkspaceId


class Permission(StrEnum):
    """One kind of act each; whatever can be asked of the platform names one of these."""

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
    TEMPLATE_READ = "template.read"
    TEMPLATE_CHANGE = "template.change"
    KEY_READ = "key.read"
    KEY_CHANGE = "key.change"
    MEMBER_READ = "member.read"
    MEMBER_CHANGE = "member.change"
    ROLE_CHANGE = "role.change"
    AUDIT_READ = "audit.read"
    ALERT_CHANGE = "alert.change"
    WORKSPACE_READ = "workspace.read"
    WORKSPACE_CHANGE = "workspace.change"
    # Of the installation's operators; no role or key of a workspace holds them.
    OPERATOR_READ = "operator.read"
    OPERATOR_CHANGE = "operator.change"


class Public(Enum):
    """The policy of what anyone may ask. It has to be written down, like any other."""

    PUBLIC = "public"


class Own(Enum):
    """The policy of what everybody who is signed in may do, because it is theirs alone: sign out, own sessions."""

    OWN = "own"


PUBLIC = Public.PUBLIC
OWN = Own.OWN
Policy = Permission | Own | Public


class Role(StrEnum):
    """People's roles in a workspace. SUPER_ADMIN is the installation's operator.

    CUSTOM stands for a role the workspace made itself, whose permissions are stored with
    it; whoever forgets to look there finds that it holds nothing.
    """

    MEMBER = "member"
    ADMIN = "workspace_admin"
    MANAGER = "workspace_manager"
    SUPER_ADMIN = "super_admin"
    CUSTOM = "custom"


class Scope(StrEnum):
    """What an API key or SMTP credential reaches."""

    SEND = "send"
    READ = "read"
    INBOUND = "inbound"
    DOMAINS = "domains"
    SUPPRESSIONS = "suppressions"
    WEBHOOKS = "webhooks"
    TEMPLATES = "templates"
    KEYS = "keys"
    MEMBERS = "members"
    AUDIT = "audit"
    ADMIN = "admin"


P = Permission
IN_WORKSPACE = frozenset(Permission) - {P.OPERATOR_READ, P.OPERATOR_CHANGE}
"""Every permission that means something inside a workspace."""

# What shows the workspace's work and changes nothing. Its people, its keys and who did what are not part of it.
_LOOKING = frozenset(
    {
        P.MESSAGE_READ,
        P.MESSAGE_CONTENT,
        P.DOMAIN_READ,
        P.SUPPRESSION_READ,
        P.WEBHOOK_READ,
        P.INBOUND_READ,
        P.TEMPLATE_READ,
        P.WORKSPACE_READ,
    }
)

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.MEMBER: _LOOKING,
    Role.ADMIN: IN_WORKSPACE - {P.WORKSPACE_CHANGE, P.ROLE_CHANGE},
    Role.MANAGER: IN_WORKSPACE,
    # Operators run the installation and hold no standing access to content or to sending as a customer.
    Role.SUPER_ADMIN: frozenset(
        {P.WORKSPACE_READ, P.WORKSPACE_CHANGE, P.AUDIT_READ, P.OPERATOR_READ, P.OPERATOR_CHANGE}
    ),
    Role.CUSTOM: frozenset(),
}

SCOPE_PERMISSIONS: dict[Scope, frozenset[Permission]] = {
    Scope.SEND: frozenset({P.MESSAGE_SEND}),
    Scope.READ: _LOOKING,
    Scope.INBOUND: frozenset({P.INBOUND_READ, P.INBOUND_CHANGE}),
    Scope.DOMAINS: frozenset({P.DOMAIN_READ, P.DOMAIN_CHANGE}),
    Scope.SUPPRESSIONS: frozenset({P.SUPPRESSION_READ, P.SUPPRESSION_CHANGE}),
    Scope.WEBHOOKS: frozenset({P.WEBHOOK_READ, P.WEBHOOK_CHANGE}),
    Scope.TEMPLATES: frozenset({P.TEMPLATE_READ, P.TEMPLATE_CHANGE}),
    Scope.KEYS: frozenset({P.KEY_READ, P.KEY_CHANGE}),
    Scope.MEMBERS: frozenset({P.MEMBER_READ, P.MEMBER_CHANGE}),
    Scope.AUDIT: frozenset({P.AUDIT_READ}),
    Scope.ADMIN: IN_WORKSPACE,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts, already verified. Handed to every verb; the audit log names `kind` and `id`.

    `kind` is "key", "smtp_credential", "session", "network", "cli" or "system". A session's `id` is
    that of its user. `domains`, when not None, are the only domains the credential may send from.
    `address` is where the request came from, for the audit log; it makes nobody another one.
    """

    workspace: WorkspaceId
    kind: str
    id: str
    permissions: frozenset[Permission] = field(default_factory=frozenset)
    role: Role | None = None
    domains: frozenset[str] | None = None
    address: str = field(default="", compare=False)

    def came_from(self, address: str) -> Actor:
        """The same one, whose request came from `address`."""
        if address == self.address:
            return self
        return Actor(self.workspace, self.kind, self.id, self.permissions, self.role, self.domains, address)


def require(actor: Actor, permission: Permission) -> None:
    """Raise Forbidden unless the actor holds the permission. Default deny."""
    if permission not in actor.permissions:
        raise Forbidden(
            "forbidden",
            f"This credential does not have the permission '{permission.value}'.",
            detail=f"{actor.kind} {actor.id} lacks {permission.value}",
        )


def admits(policy: Policy, permissions: Iterable[Permission], *, signed_in: bool = True) -> bool:
    """Whether a policy lets someone with these permissions through; `signed_in` is False for a stranger."""
    match policy:
        case Public():
            return True
        case Own():
            return signed_in
        case Permission():
            return signed_in and policy in permissions


def require_within(actor: Actor, wanted: frozenset[Permission], what: str) -> None:
    """Raise Forbidden when `wanted` reaches beyond the actor's own permissions: nobody grants above themselves."""
    beyond = wanted - actor.permissions
    if beyond:
        raise Forbidden(
            "forbidden",
            f"{what} reaches further than your own permissions.",
            detail=f"{actor.kind} {actor.id} lacks {', '.join(sorted(beyond))}",
        )


def require_operator(actor: Actor) -> None:
    """Raise Forbidden unless the actor runs the installation: at its own shell, the platform itself, or an operator.

    What belongs to the installation (registers, reports of weaknesses, its status page) is nobody's workspace.
    """
    if actor.kind not in ("cli", "system") and actor.role is not Role.SUPER_ADMIN:
        raise Forbidden(
            "operators_only", "Only who runs this installation may do this.", detail=f"{actor.kind} {actor.id}"
        )
