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
from mailward.core.evidence.model import Finding, Result
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

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/querybatch", self._answer)
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
