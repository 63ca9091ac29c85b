"""How long pages and searches of the dashboard take with many messages stored: `python -m bench --pages 1000000`."""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import httpx

from bench.fill import run_fill
from tests.scenarios.platform import Platform

_ROUNDS = 7
_TARGET_MS = 200.0
_SCROLLS = 20
_INDEX_SECONDS = 7200.0
_PASSWORD = "correct horse battery staple"  # noqa: S105 - of a platform that lives as long as the measurement


def pages(count: int) -> int:
    """Store so many messages, wait for the index, print each page's median and slowest time; 1 beyond 200 ms."""
    slow = 0
    with Platform(workers=1, paused=True) as platform, closing(_signed_in(platform)) as person:
        rate = run_fill(platform.config, count, 500, 7200)
        print(f"{count:,} messages stored, {rate:,.0f} a second", file=sys.stderr)
        print(f"indexed after {indexed(platform):.0f} s", file=sys.stderr)
        print(f"{'page':<44}{'median ms':>12}{'slowest ms':>12}{'kB':>8}")
        for name, path in _paths(person, count):
            times = []
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                answer = person.get(path).raise_for_status()
                times.append((time.perf_counter() - began) * 1000)
            slow += max(times) > _TARGET_MS
            size = len(answer.content) / 1024
            print(f"{name:<44}{statistics.median(times):>12.1f}{max(times):>12.1f}{size:>8.0f}", flush=True)
    return 1 if slow else 0


def _paths(person: httpx.Client, count: int) -> Iterator[tuple[str, str]]:
    """What is asked, by name. The searches are for what is rare, everywhere, and nowhere."""
    middle, last = count // 2, count - 1
    yield "overview", "/"
    yield "overview, 90 days", "/?span=90d"
    yield "newest messages", "/messages"
    page = person.get("/messages").text
    path = "/messages"
    for _ in range(_SCROLLS):
        older = re.search(r'href="(/messages\?[^"]*cursor=[^"]+)" rel="next"', page)
        if older is None:
            break
        path = older[1].replace("&amp;", "&")
        page = person.get(path).text
    yield f"{_SCROLLS} pages on, by cursor", path
    yield "recipient, one in all", f"/messages?to=person{middle}@dest{middle % 1000}.test"
    yield "subject, a word that is everywhere", "/messages?subject=queued"
    yield "subject, everywhere and once", f"/messages?subject=queued+number+{last}"
    yield "subject, a word of no message", "/messages?subject=nothingofthekind"
    yield (
        "recipient and subject and sender",
        (f"/messages?to=person{middle}@dest{middle % 1000}.test&subject=queued&from=app@demo.mailward.test"),
    )
    yield "a state that none is in", "/messages?status=bounced"
    yield "a span of long ago", "/messages?subject=queued&until=2020-01-01T00:00"
    found = re.search(r'href="(/messages/msg_[0-9a-z]+)"', person.get("/messages").text)
    assert found is not None
    yield "one message", found[1]
    yield "request log", "/requests"


def _signed_in(platform: Platform) -> httpx.Client:
    base = f"http://127.0.0.1:{platform.http_port}"
    person = httpx.Client(base_url=base, timeout=60)
    link = re.search(r"/setup/(\S+)", platform.cli("setup-link").stdout)
    assert link is not None
    path = f"/setup/{link[1]}"
    form = re.search(r'name="csrf" value="([^"]+)"', person.get(path).text)
    assert form is not None
    facts = {"csrf": form[1], "workspace_name": "Bench", "email": "bench@example.com"}
    person.post(path, data={**facts, "password": _PASSWORD, "again": _PASSWORD})
    seen = person.get("/messages")
    if seen.status_code != 200:
        raise RuntimeError(f"after the setup link messages answered {seen.status_code}")
    return person


def indexed(platform: Platform) -> float:
    """Seconds until upkeep has indexed what was stored."""
    began = time.perf_counter()
    # The index stays ten seconds behind on purpose.
    time.sleep(12)
    while time.perf_counter() - began < _INDEX_SECONDS:
        told = httpx.get(f"http://127.0.0.1:{platform.metrics_port}/metrics").text
        behind = re.search(r"^mailward_search_behind_seconds (\S+)$", told, re.M)
        assert behind is not None
        if float(behind[1]) == 0:
            return time.perf_counter() - began
        time.sleep(1)
    raise RuntimeError("the search index does not get there")
