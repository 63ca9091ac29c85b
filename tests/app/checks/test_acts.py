"""Acts that are to be in the log: the check holds, and notices each one that leaves no entry."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mailward.app.checks import acts
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.domains.keys import fresh_keys
from mailward.core.evidence.model import Result
from mailward.core.workspaces import change
from mailward.policy.access import Actor, Permission

WS = WorkspaceId(ids.encode("ws", b"w" * 16))
_ACTS = (
    "credential.created", "credential.rotated", "credential.revoked", "domain.added", "domain.removed",
    "webhook.created", "webhook.removed", "suppression.added", "suppression.removed", "member.added",
    "member.role_changed", "member.removed", "workspace.renamed", "workspace.settings_changed",
)  # fmt: skip


@pytest.fixture
async def context(store: Any, clock: Any, entropy: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    actor = Actor(WS, "cli", "cli", frozenset(Permission))
    await store.system_write(lambda tx: change.create(tx, actor, "Acme", now=clock.now(), entropy=entropy, id=WS))
    fresh = fresh_keys(lambda raw: raw)
    monkeypatch.setattr(acts, "make_keys", lambda vault, workspace: fresh)
    installation = SimpleNamespace(vault=None, token_key=lambda workspace: bytes(32))
    return SimpleNamespace(store=store, clock=clock, entropy=entropy, actor=actor, installation=installation)


@pytest.mark.claim("LOG-1")
async def test_an_act_that_leaves_no_entry_is_found(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each act in turn is not written down; and nothing of the rehearsal stays."""
    before = await context.store.system_read(lambda tx: tx.audit.trees())
    found = await acts.acts_are_in_the_log(context)
    assert (found.result, "15 acts" in found.evidence) == (Result.PASSED, True), found.evidence
    assert await context.store.system_read(lambda tx: tx.audit.trees()) == before
    audit = await context.store.system_read(lambda tx: _of(tx))
    real = audit.append
    for left_out in _ACTS:

        async def append(self: Any, actor: Any, act: str, *a: Any, left_out: str = left_out, **kw: Any) -> Any:
            return None if act == left_out else await real(self, actor, act, *a, **kw)

        with monkeypatch.context() as patched:
            patched.setattr(audit, "append", append)
            found = await acts.acts_are_in_the_log(context)
            assert (found.result, left_out in found.evidence) == (Result.FAILED, True), left_out


async def _of(tx: Any) -> Any:
    return type(tx.audit)
