"""The checks of passwords, sessions and second factors hold on a store as it is, and fail where the platform would."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mailward.app.checks import factors as checks
from mailward.app.settings import Settings
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.base.secret import Secret
from mailward.core.evidence.model import Finding, Result
from mailward.core.identity import breached, factors, lookup, model, passwords, sessions
from mailward.core.identity.model import SESSION_ABSOLUTE, SESSION_IDLE, Session, User
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
    return SimpleNamespace(
        store=store, clock=clock, entropy=entropy, actor=actor, installation=installation, settings=Settings()
    )


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
    listed = breached.in_sorted_file
    assert checks.weak_refused(passwords.judge, listed).result is Result.PASSED
    assert checks.weak_refused(lambda text: None, listed).result is not Result.PASSED
    for blind in (lambda file, text: False, lambda file, text: True):
        assert checks.weak_refused(passwords.judge, blind).result is not Result.PASSED


def test_a_list_that_nobody_looks_into_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a common password is weak too does not hide that the list of them is not asked."""
    monkeypatch.setattr(breached, "is_common", lambda password: False)
    assert not _holds(checks.weak_refused(passwords.judge, breached.in_sorted_file))


@pytest.mark.claim("AUTHN-2")
async def test_sessions_without_an_end_are_found(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that idles for ever, one that is used for ever, a door that does not look, and limits that are none."""
    day = timedelta(days=1)

    def idle(self: Session, now: Any) -> bool:
        return bool(now - self.created < SESSION_ABSOLUTE)

    def used(self: Session, now: Any) -> bool:
        return bool(now - self.last_seen < SESSION_IDLE)

    for alive in (idle, used, lambda self, now: True, lambda self, now: False):
        with monkeypatch.context() as patched:
            patched.setattr(Session, "alive", alive)
            assert not _holds(await checks.sessions_end(context))
    for name, long in (("SESSION_IDLE", 2 * day), ("SESSION_ABSOLUTE", 100 * day)):
        with monkeypatch.context() as patched:
            for module in (model, checks):
                patched.setattr(module, name, long)
            assert "are no limits" in (await checks.sessions_end(context)).evidence


@pytest.mark.claim("AUTHN-3")
async def test_a_factor_that_is_required_and_not_asked_for_is_found(
    context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the workspace, of an operator, or of nobody; and one that is missed without consequence."""

    async def missing(self: Any, tx: Any, session: Any) -> str:
        return "enrol" if await self.always_two(tx, session.user) else ""

    async def nobody(tx: Any, user: Any) -> bool:
        return False

    for target, name, wrong in (
        (lookup.Doorkeeper, "_missing", missing),
        (checks, "always_two", lambda settings: nobody),
        (lookup, "replace", lambda thing, **changes: thing if changes == {"permissions": frozenset()} else
            dataclasses.replace(thing, **changes)),
    ):  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(target, name, wrong)
            assert not _holds(await checks.a_second_factor_works_once(context)), name
