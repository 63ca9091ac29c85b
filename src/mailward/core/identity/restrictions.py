"""From which networks people may come: a person's own list and their workspace's. Both have to allow an address.

They bind people, at sign-in and at every request of a session. Keys and SMTP credentials
carry networks of their own: a server does not come from where its owners sit.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity.credentials import parse_networks
from mailward.core.identity.model import Network
from mailward.core.identity.ports import IdentityTx
from mailward.core.workspaces.model import Workspace
from mailward.policy import access
from mailward.policy.access import Actor, Permission, Role

MOST_NETWORKS = 50


def within(networks: Sequence[Network], ip: str) -> bool:
    """Whether an address is allowed; an empty list allows every one. What is no address is in no network.

    An IPv4 address that arrived on an IPv6 socket (RFC 4291 section 2.5.5.2) counts as IPv4.
    """
    if not networks:
        return True
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def of_workspace(workspace: Workspace | None) -> tuple[Network, ...]:
    """A workspace's own list."""
    return tuple(ipaddress.ip_network(n) for n in workspace.settings.networks) if workspace is not None else ()


async def allowed(tx: IdentityTx, user: UserId, workspace: WorkspaceId, ip: str) -> bool:
    """Whether a person may work in a workspace from an address. System scope."""
    if not within(await tx.entry.networks(user), ip):
        return False
    return within(of_workspace(await tx.workspaces.get(workspace)), ip)


async def admit(
    tx: IdentityTx, user: UserId, places: Sequence[tuple[WorkspaceId, Role]], ip: str
) -> list[tuple[WorkspaceId, Role]]:
    """Those of a person's workspaces that they may enter from an address; Forbidden when there is none. System scope.

    Ask only once the person has proved who they are: the refusal tells that the secret was right.
    """
    open_places = [place for place in places if await allowed(tx, user, place[0], ip)]
    if places and not open_places:
        raise Forbidden("network_not_allowed", "Your account or workspace does not allow signing in from this network.")
    return open_places


async def restrict_workspace(
    tx: IdentityTx, actor: Actor, texts: Iterable[str], *, own: str | None, confirmed: bool = False, now: datetime
) -> tuple[Network, ...]:
    """Where the workspace's people may come from; an empty list means anywhere.

    `own` is the address of a person who asks: Conflict when they would lock themselves out
    and did not confirm it. None for a key or the command line, whose way in stays open.
    """
    access.require(actor, Permission.WORKSPACE_CHANGE)
    networks = _networks(texts)
    _not_oneself(networks, own, confirmed)
    await tx.audit.in_turn(actor.workspace)
    found = await tx.workspaces.get(actor.workspace)
    if found is None:
        raise NotFound("not_found", "There is no such workspace.")
    listed = tuple(str(n) for n in networks)
    await tx.workspaces.change_settings(found.id, replace(found.settings, networks=listed))
    await tx.revocations.bump()
    facts = {"from": " ".join(found.settings.networks) or "any", "to": " ".join(listed) or "any"}
    await tx.audit.append(actor, "workspace.networks_changed", found.id, facts, now=now)
    return networks


async def workspace_networks(tx: IdentityTx, actor: Actor) -> tuple[Network, ...]:
    """The list in force."""
    access.require(actor, Permission.WORKSPACE_READ)
    return of_workspace(await tx.workspaces.get(actor.workspace))


async def restrict_person(
    tx: IdentityTx, actor: Actor, texts: Iterable[str], *, own: str, confirmed: bool = False, now: datetime
) -> tuple[Network, ...]:
    """Where the actor themselves may come from, in every workspace. Conflict as for a workspace. System scope."""
    if actor.kind != "session":
        raise NotFound("not_found", "Only people have networks of their own.")
    networks = _networks(texts)
    _not_oneself(networks, own, confirmed)
    before = await tx.entry.networks(UserId(actor.id))
    await tx.entry.set_networks(UserId(actor.id), networks, now)
    await tx.revocations.bump()
    facts = {"from": _shown(before), "to": _shown(networks)}
    await tx.audit.append(actor, "user.networks_changed", actor.id, facts, now=now)
    return networks


async def lift_person(tx: IdentityTx, actor: Actor, user: UserId, *, now: datetime) -> None:
    """Let a person who locked themselves out come from anywhere again; for the operator's shell. System scope."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    before = await tx.entry.networks(user)
    await tx.entry.set_networks(user, (), now)
    await tx.audit.append(actor, "user.networks_changed", user, {"from": _shown(before), "to": "any"}, now=now)


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    networks = parse_networks(texts)
    if len(networks) > MOST_NETWORKS:
        raise Invalid("too_many_networks", f"At most {MOST_NETWORKS} networks.", field="networks")
    return tuple(dict.fromkeys(networks))


def _not_oneself(networks: Sequence[Network], own: str | None, confirmed: bool) -> None:
    if own is not None and not confirmed and not within(networks, own):
        raise Conflict(
            "locks_you_out",
            f"Your own address, {own}, is in none of these networks. Add it, or confirm that you mean it.",
        )


def _shown(networks: Sequence[Network]) -> str:
    return " ".join(str(n) for n in networks) or "any"
