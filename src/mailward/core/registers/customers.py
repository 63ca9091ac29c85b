"""What a workspace does with the registers: follow them, and sign the agreement."""

from __future__ import annotations

from datetime import datetime

import msgspec

from mailward.base import ids
from mailward.base.errors import Invalid
from mailward.base.sources import Entropy
from mailward.core.registers.model import Signing
from mailward.core.registers.ports import RegistersTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_LONGEST = 200


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed: sealed before it is stored."""

    name: str
    title: str
    company: str


async def follow(tx: RegistersTx, actor: Actor, on: bool, *, now: datetime) -> None:
    """Have the workspace's managers told of changes of subprocessors, or no longer. Audited."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    workspace = ids.decode("ws", actor.workspace)
    if on:
        await tx.registers.follow(workspace, now)
    else:
        await tx.registers.unfollow(workspace)
    await tx.audit.append(actor, "registers.followed" if on else "registers.unfollowed", actor.workspace, now=now)


async def sign(
    tx: RegistersTx, actor: Actor, signer: Signer, sealed: bytes, hash: bytes, *, now: datetime, entropy: Entropy
) -> Signing:
    """Record that the workspace signed the text with this SHA-256. Invalid when a name is missing. Audited."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    for name in ("name", "title", "company"):
        value = getattr(signer, name)
        if not value.strip() or len(value) > _LONGEST:
            raise Invalid("invalid_field", f"Write between 1 and {_LONGEST} characters.", field=name)
    signing = Signing(ids.new("sig", now, entropy), now, hash, sealed)
    await tx.registers.add_signing(ids.decode("ws", actor.workspace), signing)
    await tx.audit.append(actor, "agreement.signed", signing.id, {"sha256": hash.hex()}, now=now)
    return signing
