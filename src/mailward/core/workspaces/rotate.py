"""Rotate the key-encryption key: a new version, everything wrapped anew a page at a time, the old one retired."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from mailward.base.errors import Conflict
from mailward.core.workspaces.data_keys import aad
from mailward.core.workspaces.model import WrappedKey
from mailward.core.workspaces.ports import KeyService, WorkspacesTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_PAGE = 200


async def rotate(tx: WorkspacesTx, actor: Actor, service: KeyService, *, now: datetime) -> int:
    """Make a new version current; its number. Mail goes on flowing: older versions still unwrap. System scope."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    version = await service.rotate(now=now)
    await tx.audit.append(actor, "key_encryption_key.rotated", "installation", {"version": str(version)}, now=now)
    return version


async def rewrap_page(
    tx: WorkspacesTx, service: KeyService, current: int, after: tuple[bytes, int, int] | None
) -> tuple[int, tuple[bytes, int, int] | None]:
    """Wrap up to 200 data keys under version `current`; (how many, where to go on; None at the end). System scope."""
    page = await tx.data_keys.page(after, _PAGE)
    fresh = []
    for key in page:
        assert key.wrapped is not None
        if service.version_of(key.wrapped) != current:
            bound = aad(key.workspace, key.day, key.version)
            wrapped = await service.wrap(await service.unwrap(key.wrapped, bound), bound)
            fresh.append(WrappedKey(key.workspace, key.day, key.version, wrapped))
    await tx.data_keys.replace(fresh)
    last = page[-1] if len(page) == _PAGE else None
    return len(fresh), None if last is None else (last.workspace, last.day, last.version)


async def retire(
    tx: WorkspacesTx, actor: Actor, service: KeyService, version: int, *, needed: Container[int], now: datetime
) -> None:
    """Destroy a version that wraps nothing any more. Conflict while a data key still needs it. System scope.

    `needed` are the versions that something outside these tables needs: secret files, and backups that are kept, which
    open under the version of their day and no other. Conflict for one of them.
    """
    access.require(actor, Permission.WORKSPACE_CHANGE)
    if version in needed:
        raise Conflict("key_in_use", "A secret or a kept backup still needs this version.")
    after: tuple[bytes, int, int] | None = None
    while True:
        page = await tx.data_keys.page(after, _PAGE)
        if any(service.version_of(k.wrapped) == version for k in page if k.wrapped is not None):
            raise Conflict("key_in_use", "Data keys are still wrapped under this version; re-wrap them first.")
        if len(page) < _PAGE:
            break
        after = (page[-1].workspace, page[-1].day, page[-1].version)
    await service.retire(version)
    await tx.audit.append(actor, "key_encryption_key.retired", "installation", {"version": str(version)}, now=now)
