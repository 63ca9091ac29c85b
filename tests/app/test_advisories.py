"""Asking for advisories: a vulnerable pin fails, and silence is not taken for a good answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web

from mailward.adapters.host.clock import SystemClock
from mailward.app import kept_scan
from mailward.app.checks import advisories as check
from mailward.app.commands.bill import advisories
from mailward.app.context import Context
from mailward.app.public.looks import looks
from mailward.app.store import Store
from mailward.base.ids import WorkspaceId
from mailward.core.evidence.model import Finding, Result
from mailward.core.registers.change import put, read_fields
from mailward.core.registers.model import Advisory, Entry, Kind, Severity
from mailward.core.registers.scans import record_scan
from mailward.policy.access import Actor
from tests.conftest import MovingClock, SeededEntropy
from tests.scenarios.peers import free_port

VULNERABLE = "pkg:pypi/old-library@1.0"


class Service:
    """An advisory service on this machine that knows of one vulnerable version."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked: list[str] = []
        self.status = 200
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run)

    async def _answer(self, request: web.Request) -> web.Response:
        purls = [q["package"]["purl"] for q in (await request.json())["queries"]]
        self.asked += purls
        known = [{"vulns": [{"id": "PYSEC-2026-1"}, {"id": "GHSA-x"}]} if p == VULNERABLE else {} for p in purls]
        return web.json_response({"results": known}, status=self.status)

    async def _severity(self, request: web.Request) -> web.Response:
        said = {"GHSA-x": {"severity": "HIGH"}}.get(id := request.match_info["id"], {})
        return web.json_response({"id": id, "database_specific": said} if said else {"id": id})

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/querybatch", self._answer)
        app.router.add_get("/v1/vulns/{id}", self._severity)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self._ends = asyncio.Event()
        self._up.set()
        await self._ends.wait()
        await runner.cleanup()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    def __enter__(self) -> Service:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join(10)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """The service."""
    with Service() as made:
        yield made


def pins(folder: Path, *lines: str) -> list[Path]:
    """A requirements file with those pins."""
    path = folder / "pins.txt"
    path.write_text("".join(f"{line} \\\n    --hash=sha256:{'0' * 64}\n" for line in lines))
    return [path]


@pytest.mark.claim("SUPPLY-1")
def test_a_planted_vulnerable_pin_fails(service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pin with a known vulnerability exits 1 and is named with its advisories; the next version passes."""
    assert advisories(pins=pins(tmp_path, "fine==2.0", "Old_Library==1.0"), service=service.url) == 1
    told = capsys.readouterr().out
    assert "old-library@1.0" in told
    assert "GHSA-x, PYSEC-2026-1" in told
    assert "fine" not in told
    assert advisories(pins=pins(tmp_path, "fine==2.0", "Old_Library==1.1"), service=service.url) == 0


def test_all_that_runs_is_asked_about(service: Service) -> None:
    """Without files, every pinned distribution is asked about, by name and version and nothing else."""
    service.asked.clear()
    assert advisories(service=service.url) == 0
    assert any(purl.startswith("pkg:pypi/msgspec@") for purl in service.asked)
    assert len(service.asked) > 40


@pytest.mark.parametrize("required", [False, True])
def test_where_none_is_reached(tmp_path: Path, capsys: pytest.CaptureFixture[str], required: bool) -> None:
    """Where no service is reached that is said, and is a failure only when one was required."""
    url = f"http://127.0.0.1:{free_port()}"
    assert advisories(pins=pins(tmp_path, "fine==2.0"), service=url, required=required) == int(required)
    said = capsys.readouterr()
    assert "no advisory was looked at" in said.err
    assert said.out == ""


def test_an_error_is_no_answer(service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer other than 200 is silence, not a clean bill."""
    service.status = 500
    try:
        assert advisories(pins=pins(tmp_path, "old-library==1.0"), service=service.url, required=True) == 1
    finally:
        service.status = 200
    assert "answered 500" in capsys.readouterr().err


@pytest.mark.claim("SUPPLY-1")
async def test_the_kept_scan_is_judged(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found is failing; none, an old one, silence and another list of versions are said, and never read as passed."""
    file, now = tmp_path / kept_scan.NAME, SystemClock().now()
    running = {"old-library": ("1.0", [""]), "fine": ("2.0", [""])}
    monkeypatch.setattr(check, "at_hand", lambda: running)

    async def judged(later: timedelta = timedelta()) -> Finding:
        clock = SimpleNamespace(now=lambda: now + later)
        return await check.no_advisory_is_known(
            cast(Context, SimpleNamespace(settings=SimpleNamespace(data=tmp_path), clock=clock))
        )

    def scan(*lines: str, url: str = service.url) -> None:
        advisories(pins=pins(tmp_path, *lines), service=url, keep=file)

    assert (await judged()).result is Result.NOT_CONFIGURED
    nobody = f"http://127.0.0.1:{free_port()}"
    await asyncio.to_thread(scan, "fine==2.0", url=nobody)
    assert (await judged()).result is Result.NOT_CONFIGURED
    await asyncio.to_thread(scan, "old-library==1.0", "fine==2.0")
    found = await judged()
    assert (found.result, "GHSA-x" in found.evidence) == (Result.FAILED, True)
    await asyncio.to_thread(scan, "fine==2.0", url=nobody)
    assert (await judged(timedelta(days=30))).result is Result.FAILED, "what was found does not fade"
    running["old-library"] = ("1.1", [""])
    assert (await judged()).result is Result.NOT_CONFIGURED, "nobody was reached since"
    await asyncio.to_thread(scan, "fine==2.0")
    assert "1 of 2 versions" in (await judged()).evidence
    await asyncio.to_thread(scan, "old-library==1.1", "fine==2.0")
    assert (await judged()).result is Result.PASSED
    for later in (timedelta(hours=60), timedelta(hours=-2)):
        assert (await judged(later)).result is Result.NOT_CONFIGURED
    await asyncio.to_thread(scan, "fine==2.0", url=nobody)
    assert "reached nobody" in (await judged()).evidence
    file.write_text("{")
    assert (await judged()).result is Result.FAILED


@pytest.mark.claim("SUPPLY-1")
async def test_what_a_scan_finds_has_a_deadline(
    service: Service, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An advisory of unsaid severity is critical: seven days, then its line is red; a scan that finds it no more
    closes it. What a person entered stays open until a person closes it."""
    running = {"old-library": ("1.0", [""]), "fine": ("2.0", [""])}
    monkeypatch.setattr(kept_scan, "at_hand", lambda: running)
    moved, entropy = MovingClock(SystemClock().now() + timedelta(hours=1)), SeededEntropy()
    context = cast(
        Context, SimpleNamespace(settings=SimpleNamespace(data=tmp_path), clock=moved, store=store, entropy=entropy)
    )
    actor = Actor(WorkspaceId(""), "system", "upkeep")

    async def enter() -> list[Entry]:
        scan = kept_scan.scanned(tmp_path)
        assert scan is not None
        now = moved.now()
        return await store.system_write(
            lambda tx: record_scan(
                tx, actor, on=now.date(), asked=scan.asked, known=scan.known, now=now, entropy=entropy
            )
        )

    def scan(*lines: str) -> None:
        advisories(pins=pins(tmp_path, *lines), service=service.url, keep=tmp_path / kept_scan.NAME)

    assert kept_scan.scanned(tmp_path) is None
    assert (await check.advisories_have_deadlines(context)).result is Result.PASSED
    assert (await check.reviews_are_dated(context)).result is Result.NOT_CONFIGURED
    await asyncio.to_thread(scan, "old-library==1.0", "fine==2.0")
    assert "have no deadline" in (await check.advisories_have_deadlines(context)).evidence
    found = {e.fields.advisory: e.fields for e in await enter() if isinstance(e.fields, Advisory)}
    assert {id: f.severity for id, f in found.items()} == {"GHSA-x": Severity.HIGH, "PYSEC-2026-1": Severity.CRITICAL}
    assert (found["PYSEC-2026-1"].patch_by - moved.now().date()).days == 7
    assert await enter() == []
    by_hand = read_fields(Kind.ADVISORY, {"advisory": "CVE-1", "concerns": "openssl", "severity": "low"},
                          today=moved.now().date())  # fmt: skip
    await store.system_write(lambda tx: put(tx, actor, Kind.ADVISORY, by_hand, now=moved.now(), entropy=entropy))
    assert (await check.advisories_have_deadlines(context)).result is Result.PASSED
    moved.move(days=8)
    late = await check.advisories_have_deadlines(context)
    assert (late.result, late.evidence.startswith("1 advisories")) == (Result.FAILED, True)
    shown = looks(await store.system_read(lambda tx: tx.registers.entries()))
    assert (shown["advisories"]["open"], "PYSEC" in str(shown)) == (3, False), "an open weakness is not named"
    running["old-library"] = ("1.1", [""])
    await enter()
    assert "1 are open" in (await check.advisories_have_deadlines(context)).evidence
    entries = await store.system_read(lambda tx: tx.registers.entries())
    told = looks(entries)
    assert {(p["advisory"], p["in_time"]) for p in told["advisories"]["patched"]} == {
        ("GHSA-x", True), ("PYSEC-2026-1", False)
    }  # fmt: skip
    assert [r["by"] for r in told["reviews"]] == ["mailward advisories"]
    manual = read_fields(Kind.REVIEW, {"what": "manual review", "scope": "all", "by": "A"}, today=moved.now().date())
    await store.system_write(lambda tx: put(tx, actor, Kind.REVIEW, manual, now=moved.now(), entropy=entropy))
    assert (await check.reviews_are_dated(context)).result is Result.PASSED
    moved.move(days=366)
    assert (await check.reviews_are_dated(context)).result is Result.FAILED
