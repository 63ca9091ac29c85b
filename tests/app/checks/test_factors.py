"""The checks of passwords, sessions and second factors hold on a store as it is, and fail where the platform would."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mailward.app.checks import factors as checks
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.base.secret import Secret
from mailward.core.evidence.model import Finding, Result
from mailward.core.identity import factors, sessions
from mailward.core.identity.model import User
from mailward.core.workspaces import change
from mailward.policy.access import Actor, Permission

WS = WorkspaceId(ids.encode("ws", b"w" * 16))


class Vault:
    def seal(self, purpose: str, secret: bytes, aad: bytes) -> bytes:
        return aad + secret[::-1]

    def unseal(self, purpose: str, sealed: bytes, aad: bytes) -> bytes:
        return sealed[len(aad) :][::-1]


@pytest.fixture
async def context(store: Any, clock: Any, entropy: Any) -> Any:
    actor = Actor(WS, "cli", "cli", frozenset(Permission))
    await store.system_write(lambda tx: change.create(tx, actor, "Acme", now=clock.now(), entropy=entropy, id=WS))
    installation = SimpleNamespace(vault=Vault())
    return SimpleNamespace(store=store, clock=clock, entropy=entropy, actor=actor, installation=installation)


def _holds(finding: Finding) -> bool:
    return finding.result is Result.PASSED


async def test_they_hold_and_leave_nothing_behind(context: Any) -> None:
    """All of them pass on a fresh store, and afterwards nobody is in it."""
    for check in (checks.weak_passwords_are_refused, checks.sessions_end, checks.a_second_factor_works_once):
        assert _holds(await check(context)), check.__name__
    assert await context.store.system_read(lambda tx: tx.people.users()) == []
    assert _holds(await checks.operators_have_a_second_factor(context))


async def test_a_code_that_works_twice_is_found(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """If codes were not used up, the check would say so."""

    async def believing(*_: Any, **__: Any) -> str:
        return "totp"

    monkeypatch.setattr(factors, "show_code", believing)
    assert not _holds(await checks.a_second_factor_works_once(context))


async def test_a_session_that_keeps_its_token_is_found(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a renewal left the old token alive, the check would say so."""

    async def lazy(tx: Any, session: Any, *_: Any, **__: Any) -> Any:
        user = User(session.user, "", "", "", context.clock.now())
        made, token = await checks._session(tx, context, user, context.clock.now())
        return made, Secret(token)

    monkeypatch.setattr(sessions, "step_up", lazy)
    assert not _holds(await checks.sessions_end(context))


def test_a_judge_that_takes_everything_is_found() -> None:
    """Common passwords must be refused, good ones must not."""
    assert checks.weak_refused(lambda text: None).result is not Result.PASSED
