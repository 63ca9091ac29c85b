"""Operators keep the public side from the dashboard; to anybody else its door does not show."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from starlette.requests import Request

from mailward.app.platform.public import PublicArea
from mailward.base import ids
from mailward.base.errors import Forbidden, NotFound
from mailward.base.ids import WorkspaceId
from mailward.base.secret import Secret
from mailward.core.disclosure.intake import receive, receive_mail
from mailward.core.disclosure.model import Content, Mailed
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.pages.public import PublicSide
from mailward.edges.web.dashboard.ports import Session, Surroundings
from mailward.edges.web.dashboard.static_files import StaticFiles
from mailward.policy.access import Actor, Permission, Role
from tests.app.public.conftest import Site
from tests.conftest import SeededEntropy

ME = "usr_" + "0" * 25 + "1"


def person(actor: Actor) -> Session:
    return Session(token=Secret("t"), actor=actor, email="me@mail.example", workspace_name="W")


@pytest.fixture
def area(site: Site, monkeypatch: pytest.MonkeyPatch) -> PublicArea:
    """The area of an installation where ME is an operator and nobody else is."""
    made = PublicArea(site.installation)
    real = PublicArea._operator

    async def operator(self: PublicArea, user: str) -> Actor:
        if user == ME:
            return Actor(WorkspaceId(""), "operator", user, frozenset(), Role.SUPER_ADMIN)
        return await real(self, user)

    monkeypatch.setattr(PublicArea, "_operator", operator)
    return made


def manager() -> Actor:
    return Actor(WorkspaceId(ids.encode("ws", b"a" * 16)), "session", "usr_x", frozenset(Permission), Role.MANAGER)


@pytest.mark.claim("PRIVACY-4")
async def test_the_door_does_not_show(site: Site, area: PublicArea) -> None:
    """Every act of an operator is answered as if nothing were there to somebody who is none."""
    other = "usr_" + "0" * 26
    for act in (
        area.entries(other),
        area.put(other, "region", {}, ""),
        area.remove(other, "reg_x"),
        area.reports(other),
        area.report(other, "rep_x"),
        area.answer(other, "rep_x", "acknowledged", ""),
        area.message(other, "rep_x"),
        area.posts(other),
        area.post(other, "t", "t"),
        area.update(other, "inc_x", "t", True),
    ):
        with pytest.raises(NotFound):
            await act


@pytest.mark.claim("PRIVACY-4")
async def test_a_manager_follows_and_signs(site: Site, area: PublicArea) -> None:
    """What was signed is the text of that day, kept sealed; a credential without the permission signs nothing."""
    me = manager()
    await area.follow(me, True)
    await area.sign(me, "A. Person", "Director", "Customer Ltd")
    follows, notices, signings = await area.following(me)
    assert (follows, notices) == (True, [])
    ((signing, signer),) = signings
    assert signing.hash.hex() == await area.agreement_hash()
    assert (signer.name, b"Person" in signing.sealed) == ("A. Person", False)
    with pytest.raises(Forbidden):
        await area.sign(Actor(me.workspace, "key", "k"), "A", "B", "C")


@pytest.mark.claim("INCIDENT-2")
async def test_every_page_renders_and_every_form_works(site: Site, area: PublicArea) -> None:
    """An operator states, changes and strikes; answers a report; posts and ends an incident."""
    side = PublicSide(Desk(cast(Any, MagicMock()), Surroundings(), SeededEntropy(), StaticFiles()), area)
    i = site.installation
    session = person(Actor(WorkspaceId(""), "session", ME))

    def request(query: str = "", **path: str) -> Request:
        return Request({"type": "http", "query_string": query.encode(), "path_params": path, "headers": []})

    def form(**fields: str) -> Form:
        return Form(list(fields.items()))

    wrong = await side.put(request(kind="region"), session, form(name="EU", place="Oslo"))
    assert (wrong.status_code, b"holds" in wrong.body) == (422, True)
    await side.put(request(kind="region"), session, form(name="EU", place="Oslo", holds="all"))
    (entry,) = await area.entries(ME)
    assert b"Oslo" in (await side.edit(request(f"id={entry.id}", kind="region"), session)).body
    assert entry.id.encode() in (await side.registers(request(), session)).body
    await side.put(request(kind="region"), session, form(id=entry.id, strike="1"))
    assert await area.entries(ME) == []
    words = Content(title="Hole", what="<b>here</b>")
    report, _ = await i.store.system_write(
        lambda tx: receive(tx, words, site.reader._seal, now=i.clock.now(), entropy=i.entropy)
    )
    assert report.id.encode() in (await side.reports(request(), session)).body
    shown = await side.report(request(report=report.id), session)
    assert b"<b>here" not in shown.body
    await side.answer(request(report=report.id), session, form(state="acknowledged", answer="Thanks"))
    assert isinstance((await area.reports(ME))[0].acknowledged, datetime)
    mail = Content(title="By <b>mail", what="w", mail=Mailed(dmarc="fail", domain="e.test", silent="forged"))
    mailed = await i.store.system_write(
        lambda tx: receive_mail(tx, mail, b"raw", b"d" * 32, site.reader._seal, now=i.clock.now(), entropy=i.entropy)
    )
    assert mailed is not None
    shown = await side.report(request(report=mailed[0].id), session)
    assert b"nothing proves who wrote it" in shown.body and b"Nobody was answered: forged" in shown.body
    assert b"By <b>" not in shown.body
    raw = await side.message(request(report=mailed[0].id), session)
    assert (raw.body, raw.media_type) == (b"raw", "message/rfc822")
    assert raw.headers["content-disposition"].startswith("attachment")
    await side.post(request(), session, form(title="Slow", text="We look."))
    (post,) = await area.posts(ME)
    await side.post(request(), session, form(id=post.id, text="Over.", ended="1"))
    assert b"ended" in (await side.posts(request(), session)).body
    own = person(manager())
    assert b"Sign the text in force" in (await side.own(request(), own)).body
