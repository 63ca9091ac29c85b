"""Replace a credential without a moment in which neither works: the successor now, the old one's end later."""

from __future__ import annotations

from datetime import datetime, timedelta

from mailward.base.errors import Conflict, Invalid, NotFound
from mailward.base.sources import Entropy
from mailward.core.identity.credentials import LONGEST, Wish, create_key, create_network, create_smtp
from mailward.core.identity.model import Credential, CredentialKind, Issued
from mailward.core.identity.ports import IdentityTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

GRACE = timedelta(hours=24)
LONGEST_GRACE = timedelta(days=30)

_CREATE = {
    CredentialKind.KEY: create_key,
    CredentialKind.SMTP: create_smtp,
    CredentialKind.NETWORK: create_network,
}


async def rotate(
    tx: IdentityTx, actor: Actor, id: str, *, grace: timedelta = GRACE, now: datetime, entropy: Entropy
) -> Issued:
    """A successor with the same name, scopes, domains, networks and expiry; the old one ends after `grace`.

    Both work until then. An old one that would end sooner anyway keeps its end. NotFound
    when there is none; Conflict when it has ended, is paused or has a successor already;
    Invalid for a grace below zero or above 30 days. An expiry that lies within the grace
    is not handed on, since a successor that dies with its predecessor is none.
    """
    access.require(actor, Permission.KEY_CHANGE)
    if not timedelta() <= grace <= LONGEST_GRACE:
        raise Invalid("bad_grace", "The overlap may be from 0 to 30 days.", field="grace_hours")
    old = await tx.credentials.get(id)
    if old is None:
        raise NotFound("not_found", "There is no such key.")
    _require_rotatable(old, now)
    lasting = min(old.expires, now + LONGEST) if old.expires is not None and old.expires > now + grace else None
    wish = Wish(old.name, old.scopes, old.domains, old.networks, lasting)
    issued = await _CREATE[old.kind](tx, actor, wish, now=now, entropy=entropy)
    await tx.credentials.succeed(id, issued.credential.id, now + grace)
    # Each process knows when a credential ends from the moment it learns of the new epoch.
    await tx.revocations.bump()
    facts = {
        "kind": old.kind.value,
        "name": old.name,
        "successor": issued.credential.id,
        "ends": min(now + grace, old.expires or now + grace).isoformat(),
    }
    await tx.audit.append(actor, "credential.rotated", id, facts, now=now)
    return issued


def _require_rotatable(old: Credential, now: datetime) -> None:
    if old.revoked is not None or (old.expires is not None and old.expires <= now):
        raise Conflict("credential_ended", "This credential has ended; make a new one.")
    if old.paused is not None:
        # Else a thief with an administrator's key would walk around the pause.
        raise Conflict("credential_paused", "This credential is paused; release or revoke it first.")
    if old.successor is not None:
        raise Conflict("rotated_already", "This credential has a successor already; rotate that one.")
