"""The checks of the public pages hold on an installation as it is, and each notices what it is there for."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from mailward.app.checks import public
from mailward.app.context import Context, cli_actor
from mailward.base.ids import WorkspaceId
from mailward.core.availability.model import Minute
from mailward.core.availability.record import record
from mailward.core.disclosure import intake
from mailward.core.disclosure.intake import receive
from mailward.core.disclosure.model import Content
from mailward.core.evidence.model import Result, Run
from mailward.core.registers import change as register_change
from mailward.core.registers.change import put, read_fields
from mailward.core.registers.model import Kind
from mailward.policy.access import Actor
from tests.app.public.conftest import Site
from tests.app.public.conftest import site as site

OPERATOR = Actor(WorkspaceId(""), "cli", "cli")


@pytest.fixture
def context(site: Site, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The site's installation; its pages are asked in this process instead of over a socket."""

    async def ask(context: Context, path: str) -> tuple[int, dict[str, str], str]:
        answer = await site.ask(path)
        return answer.status, answer.headers, answer.body.decode()

    monkeypatch.setattr(public, "page", ask)
    return Context(site.installation, cli_actor(WorkspaceId("ws_" + "0" * 26)))


@pytest.mark.claim("TRUST-1")
@pytest.mark.claim("INCIDENT-2")
@pytest.mark.claim("AVAIL-2")
@pytest.mark.claim("PRIVACY-4")
async def test_a_fresh_installation_fails_nothing(context: Context) -> None:
    """What is there holds, and the rehearsals leave nothing behind."""
    for check in (
        public.the_page_is_signed,
        public.security_txt_is_fresh,
        public.reports_are_answered,
        public.outages_spend_the_budget,
        public.registers_are_current,
        public.a_newcomer_is_told,
    ):
        found = await check(context)
        assert found.result is Result.PASSED, (check.__name__, found.evidence)
    assert (await public.minutes_are_measured(context)).result is Result.NOT_CONFIGURED
    store = context.store
    assert await store.system_read(lambda tx: tx.reports.newest(5)) == []
    assert await store.system_read(lambda tx: tx.registers.entries()) == []
    assert await store.system_read(lambda tx: tx.availability.last_minute()) is None


@pytest.mark.claim("INCIDENT-2")
async def test_a_report_beyond_its_deadline_is_red(site: Site, context: Context) -> None:
    """Nobody acknowledged it for a week."""
    i = site.installation
    week_ago = i.clock.now() - timedelta(days=7)
    words = Content(title="t", what="w")
    await i.store.system_write(lambda tx: receive(tx, words, site.reader._seal, now=week_ago, entropy=i.entropy))
    assert (await public.reports_are_answered(context)).result is Result.FAILED


@pytest.mark.claim("INCIDENT-2")
async def test_a_deadline_beyond_two_business_days_is_red(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that may wait for three days, whatever day it comes on."""
    assert (await public.reports_are_answered(context)).result is Result.PASSED
    monkeypatch.setattr(intake, "ACKNOWLEDGE_DAYS", 3)
    found = await public.reports_are_answered(context)
    assert (found.result, "beyond two business days" in found.evidence) == (Result.FAILED, True)


@pytest.mark.claim("PRIVACY-4")
async def test_a_follower_who_is_not_told_is_red(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody follows yet: the check follows itself, in its transaction."""

    async def nobody(*_: Any, **__: Any) -> None:
        return None

    assert (await public.a_newcomer_is_told(context)).result is Result.PASSED
    assert await context.store.system_read(lambda tx: tx.registers.followers()) == []
    monkeypatch.setattr(register_change, "_owe", nobody)
    assert (await public.a_newcomer_is_told(context)).result is Result.FAILED


@pytest.mark.claim("AVAIL-2")
async def test_an_outage_that_alerts_nobody_is_red(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten bad minutes that burn nothing."""
    assert (await public.outages_spend_the_budget(context)).result is Result.PASSED
    monkeypatch.setattr(public, "burning", lambda outages, minute, target: [])
    assert (await public.outages_spend_the_budget(context)).result is Result.FAILED


@pytest.mark.claim("AVAIL-2")
async def test_probes_that_stopped_are_red(site: Site, context: Context) -> None:
    """Minutes were measured, and none for ten."""
    i = site.installation
    minute = int(i.clock.now().timestamp()) // 60
    await i.store.system_write(lambda tx: record(tx, Minute(minute - 10, True, True, True)))
    assert (await public.minutes_are_measured(context)).result is Result.FAILED
    await i.store.system_write(lambda tx: record(tx, Minute(minute, True, True, True)))
    assert (await public.minutes_are_measured(context)).result is Result.PASSED


@pytest.mark.claim("PRIVACY-4")
async def test_an_overdue_review_is_red(site: Site, context: Context) -> None:
    """A region nobody reviewed since 2024."""
    i = site.installation
    now = i.clock.now()
    given = {"name": "EU", "place": "Oslo", "holds": "all", "reviewed": "2024-01-01"}
    fields = read_fields(Kind.REGION, given, today=date(2026, 1, 1))
    await i.store.system_write(lambda tx: put(tx, OPERATOR, Kind.REGION, fields, now=now, entropy=i.entropy))
    assert (await public.registers_are_current(context)).result is Result.FAILED


@pytest.mark.claim("TRUST-1")
async def test_a_schedule_that_stopped_and_another_signer_are_red(
    site: Site, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last run was three days ago; the file was changed on its way."""
    i = site.installation
    old = Run(i.clock.now() - timedelta(days=3), "schedule", {})
    await i.store.system_write(lambda tx: tx.results.add_run(bytes(16), old))
    assert (await public.the_page_is_signed(context)).result is Result.FAILED
    await i.store.system_write(lambda tx: tx.results.forget_runs(i.clock.now()))
    assert (await public.the_page_is_signed(context)).result is Result.PASSED
    as_it_is: Any = public.page

    async def changed(context: Context, path: str) -> tuple[int, dict[str, str], str]:
        status, headers, text = await as_it_is(context, path)
        return status, headers, text.replace("planned", "proved")

    monkeypatch.setattr(public, "page", changed)
    found = await public.the_page_is_signed(context)
    assert (found.result, "does not verify" in found.evidence) == (Result.FAILED, True)
