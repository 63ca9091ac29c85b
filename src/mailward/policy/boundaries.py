"""What each SMTP command, each command of the command line and each background job may do, as tables.

They are read where these things begin: a session that learns a new command, a `mailward`
verb or a job that is not written here does not start. HTTP operations and pages carry
their policy where they stand (`Operation.permission`, `desk.shows`, `desk.acts`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mailward.base.ids import WorkspaceId
from mailward.policy.access import IN_WORKSPACE, PUBLIC, SCOPE_PERMISSIONS, Actor, Permission, Policy, Scope, require
from mailward.policy.access import Permission as P


class PolicyMissing(TypeError):
    """Something was about to begin whose policy nobody wrote down. It does not begin."""


HOST: Final[frozenset[Permission]] = frozenset()
"""For whoever has a shell of the machine and may read its key file; no act in a workspace is part of it."""

SMTP: dict[str, Policy] = {
    "EHLO": PUBLIC,
    "HELO": PUBLIC,
    "STARTTLS": PUBLIC,
    "AUTH": PUBLIC,
    "NOOP": PUBLIC,
    "RSET": PUBLIC,
    "HELP": PUBLIC,
    "QUIT": PUBLIC,
    # Both answer the same to everybody and look nothing up.
    "VRFY": PUBLIC,
    "EXPN": PUBLIC,
    "MAIL": P.MESSAGE_SEND,
    "RCPT": P.MESSAGE_SEND,
    "DATA": P.MESSAGE_SEND,
    "BDAT": P.MESSAGE_SEND,
}
"""Of a submission session. At the MX, where strangers deliver, each recipient's route decides instead."""

CLI: dict[str, frozenset[Permission]] = {
    "up": HOST,
    "doctor": HOST,
    # The evidence is made by doing: it sends, makes keys and domains, looks, and removes them again.
    "verify": IN_WORKSPACE,
    "sbom": HOST,
    "advisories": HOST,
    "member list": frozenset({P.MEMBER_READ}),
    "member invite": IN_WORKSPACE,
    "member role": IN_WORKSPACE,
    "member remove": IN_WORKSPACE,
    "member networks": frozenset({P.WORKSPACE_READ, P.WORKSPACE_CHANGE}),
    "member free": frozenset({P.WORKSPACE_CHANGE}),
    "setup-link": HOST,
    "person list": HOST,
    "person reset-factors": frozenset({P.WORKSPACE_CHANGE}),
    "person sign-out": frozenset({P.WORKSPACE_CHANGE}),
    "person disable": frozenset({P.WORKSPACE_CHANGE}),
    "config check": HOST,
    "storage bootstrap": HOST,
    "storage migrate": HOST,
    "migrate-store": HOST,
    "node list": HOST,
    "node drain": HOST,
    "node resume": HOST,
    "node forget": HOST,
    "bounce explain": HOST,
    **dict.fromkeys(("backup create", "backup list", "backup verify", "backup restore", "backup test"), HOST),
    "vault status": HOST,
    "vault rotate": frozenset({P.WORKSPACE_CHANGE}),
    "workspace list": HOST,
    # Nobody grants more than they hold: its first manager is invited here.
    "workspace create": IN_WORKSPACE,
    "workspace redaction": frozenset({P.WORKSPACE_READ, P.WORKSPACE_CHANGE}),
    "workspace retention": frozenset({P.WORKSPACE_READ, P.WORKSPACE_CHANGE}),
    "tracking show": frozenset({P.DOMAIN_READ}),
    "tracking set": frozenset({P.DOMAIN_READ, P.DOMAIN_CHANGE}),
    "tracking opt-out": frozenset({P.SUPPRESSION_CHANGE}),
    "tracking opt-in": frozenset({P.SUPPRESSION_CHANGE}),
    "domain installation": HOST,
    "domain list": frozenset({P.DOMAIN_READ}),
    "domain add": frozenset({P.DOMAIN_READ, P.DOMAIN_CHANGE}),
    "domain check": frozenset({P.DOMAIN_READ, P.DOMAIN_CHANGE}),
    "domain rotate": frozenset({P.DOMAIN_READ, P.DOMAIN_CHANGE}),
    "domain transfer": frozenset({P.DOMAIN_READ, P.DOMAIN_CHANGE}),
    "domain release": frozenset({P.DOMAIN_CHANGE}),
    "key check": HOST,
    "workspace limits": HOST,
    "workspace leaks": frozenset({P.WORKSPACE_READ, P.WORKSPACE_CHANGE}),
    "key list": frozenset({P.KEY_READ}),
    # Nobody hands out more than they hold: to make a key of any scope is to hold every scope.
    "key create": IN_WORKSPACE,
    "key rotate": IN_WORKSPACE,
    "key revoke": frozenset({P.KEY_CHANGE}),
    "key revoke-all": frozenset({P.KEY_CHANGE}),
    "key release": frozenset({P.KEY_CHANGE}),
    "smtp list": frozenset({P.KEY_READ}),
    "smtp create": frozenset({P.KEY_CHANGE, P.MESSAGE_SEND}),
    "smtp rotate": frozenset({P.KEY_CHANGE, P.MESSAGE_SEND}),
    "smtp revoke": frozenset({P.KEY_CHANGE}),
    "smtp release": frozenset({P.KEY_CHANGE}),
    "message list": frozenset({P.MESSAGE_READ}),
    "message explain": frozenset({P.MESSAGE_READ}),
    "message raw": frozenset({P.MESSAGE_READ, P.MESSAGE_CONTENT}),
    "message release": frozenset({P.MESSAGE_READ, P.MESSAGE_CHANGE}),
    "message cancel": frozenset({P.MESSAGE_READ, P.MESSAGE_CHANGE}),
    "message pause": frozenset({P.MESSAGE_READ, P.MESSAGE_CHANGE}),
    "message resume": frozenset({P.MESSAGE_READ, P.MESSAGE_CHANGE}),
    "message erase": frozenset({P.MESSAGE_READ, P.MESSAGE_ERASE}),
    "template list": frozenset({P.TEMPLATE_READ}),
    "template show": frozenset({P.TEMPLATE_READ}),
    "template push": frozenset({P.TEMPLATE_READ, P.TEMPLATE_CHANGE}),
    "template publish": frozenset({P.TEMPLATE_READ, P.TEMPLATE_CHANGE}),
    "template rollback": frozenset({P.TEMPLATE_READ, P.TEMPLATE_CHANGE}),
    "template preview": frozenset({P.TEMPLATE_READ}),
    "template send-test": frozenset({P.TEMPLATE_READ, P.MESSAGE_SEND, P.KEY_CHANGE}),
    "webhook list": frozenset({P.WEBHOOK_READ}),
    "webhook events": frozenset({P.WEBHOOK_READ}),
    "webhook attempts": frozenset({P.WEBHOOK_READ}),
    "webhook progress": frozenset({P.WEBHOOK_READ}),
    "webhook replay": frozenset({P.WEBHOOK_READ, P.WEBHOOK_CHANGE}),
    "webhook enable": frozenset({P.WEBHOOK_READ, P.WEBHOOK_CHANGE}),
    "webhook disable": frozenset({P.WEBHOOK_READ, P.WEBHOOK_CHANGE}),
    "route list": frozenset({P.INBOUND_READ}),
    "route add": frozenset({P.INBOUND_READ, P.INBOUND_CHANGE}),
    "route remove": frozenset({P.INBOUND_READ, P.INBOUND_CHANGE}),
    "route enable": frozenset({P.INBOUND_READ, P.INBOUND_CHANGE}),
    "route disable": frozenset({P.INBOUND_READ, P.INBOUND_CHANGE}),
    "route rotate": frozenset({P.INBOUND_READ, P.INBOUND_CHANGE}),
    "route replay": frozenset({P.INBOUND_READ, P.INBOUND_CHANGE}),
    "received list": frozenset({P.INBOUND_READ}),
    "received attempts": frozenset({P.INBOUND_READ}),
    "received raw": frozenset({P.INBOUND_READ, P.MESSAGE_CONTENT}),
    "received replay": frozenset({P.INBOUND_READ, P.INBOUND_CHANGE}),
    "received release": frozenset({P.INBOUND_READ, P.INBOUND_CHANGE}),
    "received discard": frozenset({P.INBOUND_READ, P.INBOUND_CHANGE}),
    **dict.fromkeys(("operator list", "operator grants", "operator reviews"), frozenset({P.OPERATOR_READ})),
    **dict.fromkeys(
        ("operator add", "operator end", "operator file", "operator request"), frozenset({P.OPERATOR_CHANGE})
    ),
    **dict.fromkeys(
        ("operator approve", "operator refuse", "operator begin", "operator revoke", "operator database-login"),
        frozenset({P.OPERATOR_CHANGE}),
    ),
    # A decision is done at once: it may remove a member or a key.
    "operator decide": frozenset({P.OPERATOR_CHANGE, P.WORKSPACE_CHANGE, P.MEMBER_READ, P.MEMBER_CHANGE, P.KEY_CHANGE}),
    **dict.fromkeys(("trust show", "trust verify", "trust key", "status post", "status update"), HOST),
    **dict.fromkeys(("register fields", "register list", "register add", "register change", "register remove"), HOST),
    **dict.fromkeys(("report list", "report show", "report answer"), HOST),
    **dict.fromkeys(("certificate list", "certificate show", "certificate order", "certificate renew"), HOST),
    "audit verify": HOST,
    "audit check": frozenset({P.AUDIT_READ, P.WORKSPACE_CHANGE}),
    "audit list": frozenset({P.AUDIT_READ}),
    "alerts list": frozenset({P.AUDIT_READ}),
    "alerts acknowledge": frozenset({P.ALERT_CHANGE}),
    "audit export": frozenset({P.AUDIT_READ}),
    "audit checkpoint": frozenset({P.AUDIT_READ}),
}
"""What the operator's shell, named "cli" in the audit log, may do in a workspace while that command runs."""

JOBS: dict[str, frozenset[Permission]] = {
    # The first start makes a workspace; in capture mode also a domain, and credentials that send and read.
    "start": frozenset({P.WORKSPACE_CHANGE, P.DOMAIN_CHANGE, P.KEY_CHANGE})
    | SCOPE_PERMISSIONS[Scope.SEND]
    | SCOPE_PERMISSIONS[Scope.READ],
    "drift": frozenset({P.DOMAIN_READ, P.DOMAIN_CHANGE}),
    "retention": frozenset({P.WORKSPACE_CHANGE}),
    "orphans": frozenset(),
    "owners": frozenset({P.MESSAGE_SEND}),
    "letters": frozenset({P.MESSAGE_SEND}),
    # They end, suspend and tell by rules of their own, and read nobody's mail.
    "operators": frozenset(),
    "reviews": frozenset(),
    # These look after the store, the log and this process, and act in no workspace's name.
    **dict.fromkeys(
        (
            "uses",
            "traffic",
            "certificates",
            "clock",
            "leases",
            "file",
            "room",
            "audit",
            "search",
            "overwrite",
            "events",
        ),
        frozenset[Permission](),
    ),
    **dict.fromkeys(
        (
            "attachments",
            "checkpoint",
            "segments",
            "scrub",
            "days",
            "marks",
            "buckets",
            "objects",
            "figures",
            "requests",
        ),
        frozenset[Permission](),
    ),
    **dict.fromkeys(("redaction", "advisories"), frozenset[Permission]()),
    **dict.fromkeys(("notices", "probe", "registers", "reports", "verify", "guard", "alerts"), frozenset[Permission]()),
    # They act for the installation: certificates and backups belong to no workspace.
    "renewal": frozenset(),
    "backup": frozenset(),
}
"""What each background job may do in a workspace. A job acts as `job_actor` and holds nothing else."""


def job_actor(workspace: WorkspaceId, job: str) -> Actor:
    """The platform itself in one of its jobs. Raises PolicyMissing for a job without a policy."""
    known_jobs((job,))
    return Actor(workspace, "system", job, JOBS[job])


def known_jobs(names: Iterable[str]) -> None:
    """Raise PolicyMissing when a job that is about to start has no policy."""
    _known("background job", names, JOBS)


def known_commands(names: Iterable[str]) -> None:
    """Raise PolicyMissing when a session speaks an SMTP command that has no policy."""
    _known("SMTP command", names, SMTP)


def require_command(actor: Actor, command: str) -> None:
    """Raise Forbidden unless the actor may give the SMTP command."""
    policy = SMTP[command]
    if isinstance(policy, Permission):
        require(actor, policy)


def of_verb(verb: str) -> frozenset[Permission]:
    """What a command of the command line may do in a workspace. Raises PolicyMissing for one without a policy."""
    _known("command", (verb,), CLI)
    return CLI[verb]


def _known(kind: str, names: Iterable[str], table: Iterable[str]) -> None:
    if missing := sorted(set(names) - set(table)):
        raise PolicyMissing(f"the {kind} {', '.join(missing)} has no policy (see policy/boundaries.py)")
