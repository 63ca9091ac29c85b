"""The public pages tell what is stored, are quiet and accessible, and take in nothing but reports."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

import mailward
from mailward.base.ids import WorkspaceId
from mailward.core.availability.model import Minute
from mailward.core.availability.record import post, record
from mailward.core.disclosure.intake import move
from mailward.core.disclosure.model import ReportState
from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.keep import keep
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.evidence.publish import read_key, verify_file
from mailward.core.evidence.verify import verify
from mailward.core.registers.change import put, read_fields
from mailward.core.registers.model import Kind
from mailward.edges.web.trust.cookies import COOKIES
from mailward.policy.access import Actor
from tests.app.guard.solving import solution
from tests.app.public.conftest import Site

if TYPE_CHECKING:
    from playwright.async_api import Route

OPERATOR = Actor(WorkspaceId(""), "cli", "cli")
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
PAGES = ("/trust", "/status", "/legal", "/legal/agreement", "/disclosure", "/report")


async def state(site: Site, kind: Kind, **given: str) -> None:
    i = site.installation
    now = i.clock.now()
    fields = read_fields(kind, given, today=now.date())
    await i.store.system_write(lambda tx: put(tx, OPERATOR, kind, fields, now=now, entropy=i.entropy))
    site.forget()


async def fill(site: Site, text: str = "words") -> None:
    """Every page gets something to show."""
    i = site.installation
    now = i.clock.now()

    async def holds(_: None) -> Finding:
        """Look at one thing."""
        return passed(f"kept-back {text}")

    async def breaks(_: None) -> Finding:
        """Look at another."""
        return failed("kept-back secret")

    lines = await verify(CATALOGUE, {"REST-1": [holds], "LOG-1": [breaks]}, None, now=now)
    await i.store.system_write(lambda tx: keep(tx, lines, "schedule", whole=True, now=now, entropy=i.entropy))
    minute = int(now.timestamp()) // 60
    for n in range(3):
        await i.store.system_write(lambda tx, n=n: record(tx, Minute(minute - 3 + n, n != 1, True, None)))  # type: ignore[misc]
    await i.store.system_write(lambda tx: post(tx, OPERATOR, text, text, now=now, entropy=i.entropy))
    await state(site, Kind.PROFILE, name=text, security_contact="security@mail.example", address=text)
    await state(site, Kind.SUBPROCESSOR, name=text, purpose=text, place=text, certificates=f"{text}; 2030-01-01")
    await state(site, Kind.SUBPROCESSOR, name="Old", purpose="p", place="q", starts="2020-01-01")
    await state(site, Kind.REGION, name=text, place=text, holds=text)
    await state(site, Kind.LEGAL, half="2026-H1", requests="2", complied="0", note=text)
    await state(site, Kind.STATEMENT, control="PEOPLE-1", text=text)
    await state(site, Kind.REWARD, severity=text, amount=text)
    await state(site, Kind.THANKS, name=text, about=text)
    await state(site, Kind.REVIEW, what="manual review", scope=text, by=text, found=text)
    await state(site, Kind.ADVISORY, advisory=text, concerns=text, severity="critical", note=text)
    since = site.installation.clock.now().date().isoformat()
    await state(site, Kind.ADVISORY, advisory=text, concerns=text, severity="low", note=text, patched=since)


@pytest.mark.claim("TRUST-1")
async def test_the_security_page_tells_every_promise(site: Site) -> None:
    """All 66 with their states; a broken control is red with the check that found it; evidence is on no page."""
    before = (await site.ask("/trust")).text
    assert "No run of all checks has ended yet" in before
    await fill(site)
    page = (await site.ask("/trust")).text
    assert page.count('<article class="control"') == 66 == len(CATALOGUE)
    broken = page[page.index('id="LOG-1"') :]
    assert '<span class="state failing">Failing</span>' in broken[:400]
    assert "Look at another." in broken[:2000]
    assert "tests/" in broken[:3000]
    assert "kept-back" not in page
    people = page[page.index('id="PEOPLE-1"') :]
    assert "The operator states, on" in people[: people.index("</article>")]
    assert "No check proves this" in page


@pytest.mark.claim("TRUST-1")
async def test_the_signed_file_verifies_with_the_published_key(site: Site) -> None:
    """As it is downloaded; and the reader who has it is told so without a body."""
    await fill(site)
    file = await site.ask("/trust.json")
    for where in ("/trust/key.json", "/trust/key.pem"):
        document = verify_file(file.body, read_key((await site.ask(where)).body))
        assert len(document["controls"]) == 66
    again = await site.ask("/trust.json", if_none_match=file.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert "max-age=60" in file.headers["cache-control"]


async def test_a_refusal_is_a_page_for_browsers(site: Site) -> None:
    """A link to a report that is none is answered with a page in a browser, with a line to a program."""
    page = await site.ask("/report/nothing", accept="text/html,*/*")
    assert (page.status, "<h1>Not found</h1>" in page.text) == (404, True)
    assert (await site.ask("/report/nothing")).text == "There is no report with this link.\n"


@pytest.mark.claim("AVAIL-2")
async def test_the_status_page_shows_an_outage(site: Site) -> None:
    """One of three minutes without the API: the page, its JSON and the budget say so."""
    assert json.loads((await site.ask("/status.json")).body)["state"] == "not_measured"
    await fill(site)
    told = json.loads((await site.ask("/status.json")).body)
    assert told["state"] == "operational"
    assert [o["doors"] for o in told["outages"]] == ["sending by API"]
    spent: Any = sum(int(row["bad"]) for row in told["days"])
    assert spent == 1
    page = (await site.ask("/status")).text
    assert "sending by API" in page
    assert "Every door answers." in page


@pytest.mark.claim("PRIVACY-4")
async def test_registers_show_what_is_in_force_and_what_comes(site: Site) -> None:
    """A new subprocessor is announced until its notice is over; the agreement's hash is that of its text."""
    await fill(site, "Newcomer")
    page = (await site.ask("/legal")).text
    announced = page.index("<h3>Announced</h3>")
    assert page.index("Old") < announced < page.index("Newcomer", announced)
    shown = re.search(r"<code>([0-9a-f]{64})</code>", (await site.ask("/legal/agreement")).text)
    text = (await site.ask("/legal/agreement.txt")).body
    import hashlib

    assert shown is not None
    assert shown[1] == hashlib.sha256(text).hexdigest()
    assert b"REST-1." in text
    assert b"LOG-1." not in text


@pytest.mark.claim("INCIDENT-2")
async def test_a_report_comes_in_and_is_followed(site: Site) -> None:
    """Its link shows the answer; a robot, another site, and the sixth within the hour are turned away."""
    i = site.installation
    form = {"title": "Hole", "what": "Here.", "contact": "", "thanks_as": "", "website": "", "altcha": site.proof()}
    sent = await site.ask("/report", urlencode(form).encode())
    assert (sent.status, sent.headers["cache-control"]) == (201, "no-store")
    found = re.search(r"https://mail\.example(/report/[\w-]{32})", sent.text)
    assert found is not None
    (report,) = await i.store.system_read(lambda tx: tx.reports.newest(2))
    now = i.clock.now()
    await i.store.system_write(
        lambda tx: move(tx, OPERATOR, report.id, ReportState.ACKNOWLEDGED, "We look.", site.reader._seal, now=now)
    )
    assert "We look." in (await site.ask(found[1])).text
    assert (await site.ask(found[1][:-2] + ("xx" if found[1][-2:] != "xx" else "yy"))).status == 404
    assert (await site.ask("/report", urlencode(form | {"website": "x"}).encode())).status == 404
    assert (await site.ask("/report", b"", sec_fetch_site="cross-site")).status == 403
    form["altcha"] = site.proof()
    wrong = await site.ask("/report", urlencode(form | {"what": " "}).encode())
    assert (wrong.status, 'role="alert"' in wrong.text, 'value="Hole"' in wrong.text) == (422, True, True)
    statuses = [(await site.ask("/report", urlencode(form).encode())).status for _ in range(3)]
    assert statuses == [201, 429, 429]
    form["altcha"] = site.proof()
    assert (await site.ask("/report", urlencode(form).encode(), peer="127.0.0.9")).status == 201


@pytest.mark.claim("INCIDENT-2")
async def test_a_form_without_a_solution_is_explained(site: Site) -> None:
    """None, a wrong one and a used one take no report in: the words come back with where else to write."""
    form = {"title": "Hole", "what": "Here.", "contact": "", "thanks_as": "", "website": ""}
    used = site.proof()
    assert (await site.ask("/report", urlencode(form | {"altcha": used}).encode())).status == 201
    late = solution(site.reader._challenges.offer(now=site.reader.now - timedelta(minutes=11)))
    for n, proof in enumerate(("", "bm9uc2Vuc2U=", used, late)):
        refused = await site.ask("/report", urlencode(form | {"altcha": proof}).encode(), peer=f"127.0.1.{n}")
        assert (refused.status, "the puzzle" in refused.text, 'value="Hole"' in refused.text) == (429, True, True), n
        assert 'href="mailto:security@mailward.test"' in refused.text
        assert refused.headers["cache-control"] == "no-store"
    assert len(await site.installation.store.system_read(lambda tx: tx.reports.newest(9))) == 1


@pytest.mark.claim("INCIDENT-2")
async def test_security_txt_is_always_fresh(site: Site) -> None:
    """RFC 9116: the required fields once, https and mailto only, an end in the future and within a year."""
    nameless = (await site.ask("/.well-known/security.txt")).text
    assert "Contact: mailto:security@mailward.test\n" in nameless
    await fill(site)
    lines = (await site.ask("/.well-known/security.txt")).text.splitlines()
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value)
    assert fields["Contact"] == ["mailto:security@mail.example", "https://mail.example/report"]
    (expires,) = fields["Expires"]
    left = datetime.fromisoformat(expires.replace("Z", "+00:00")) - datetime.now(UTC)
    assert timedelta(days=90) < left < timedelta(days=365)
    assert set(fields) == {
        "Contact", "Expires", "Acknowledgments", "Preferred-Languages", "Canonical", "Policy",
    }  # fmt: skip


async def test_pages_are_refused_in_the_clear_from_elsewhere(site: Site) -> None:
    """Plain HTTP is for loopback; a stranger who asks all the time is told to wait."""
    assert (await site.ask("/trust", peer="192.0.2.1")).status == 403
    assert (await site.ask("/trust", peer="192.0.2.1", scheme="https")).status == 200
    statuses = {(await site.ask("/status.json", peer="127.0.0.7")).status for _ in range(320)}
    assert statuses == {200, 429}


def test_every_cookie_of_the_code_is_listed() -> None:
    """Each name that a module of the web edge gives to a cookie is in the register."""
    web = Path(mailward.__file__).parent / "edges" / "web"
    pattern = re.compile(r'^[A-Z_]+ = "(mailward(?:_[a-z]+)?)"$', re.MULTILINE)
    named = {n for path in web.rglob("*.py") for n in pattern.findall(path.read_text("utf-8"))}
    assert named
    assert named <= {c.name for c in COOKIES}


@pytest.mark.asvs("14.2.3")
@pytest.mark.claim("INPUT-1")
async def test_pages_are_quiet_accessible_and_escape(site: Site) -> None:
    """In Chromium: no violation of axe, no console error, no script that runs, no other host, and light and dark."""
    from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
    from playwright.async_api import async_playwright

    await fill(site, HOSTILE)
    hosts: set[str] = set()
    said: list[str] = []

    async def serve(route: Route) -> None:
        hosts.add(route.request.url.split("/")[2])
        if "/static/" in route.request.url:  # what the script does is looked at in scenarios/test_every_page.py
            await route.fulfill(body="", headers={"content-type": "text/javascript"})
            return
        answer = await site.ask(route.request.url.split("mail.example", 1)[1].partition("?")[0])
        await route.fulfill(status=answer.status, headers=answer.headers, body=answer.body)

    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            # axe is put into the page by the test; the page's own policy is looked at below.
            context = await browser.new_context(color_scheme=scheme, bypass_csp=True)
            page = await context.new_page()
            page.on("console", lambda m: said.append(m.text))
            page.on("pageerror", lambda e: said.append(str(e)))
            page.on("dialog", lambda d: said.append("a dialog"))
            await page.route("**/*", serve)
            for path in PAGES:
                await page.goto("https://mail.example" + path)
                found = await Axe().run(page)
                assert found.violations_count == 0, (path, scheme, found.generate_report()[:1500])
        await browser.close()
    assert hosts == {"mail.example"}
    assert said == []
    for path in PAGES:
        answer = await site.ask(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        scripts = re.findall(rb"<script[^>]*>", answer.body)
        if path == "/report":  # the proof of work
            assert [b"challenge.js?v=" in s for s in scripts] == [True]
            assert policy.endswith("; script-src 'self'; connect-src 'self'")
        else:
            assert scripts == []
            assert "script-src" not in policy
        assert b" style=" not in answer.body
        assert len(answer.body) < 100_000
