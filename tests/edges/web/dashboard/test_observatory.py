"""What MDN's HTTP Observatory says of our headers: its own tests and marks on answers of ours, without a network."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from mailward.edges.web.app import Front
from mailward.edges.web.dashboard.ports import Surroundings
from mailward.edges.web.dashboard.site import routes
from tests.edges.web.conftest import make_site
from tests.edges.web.dashboard.fake import FakePlatform
from tests.scenarios.peers import REPOSITORY, tool

INSTALLED = REPOSITORY / ".tools" / "observatory"
GRADE = Path("tools/node/observatory/grade.mjs")
BASE = "https://mailward.test"


def grade(answer: httpx.Response, **other: str) -> dict[str, Any]:
    """The Observatory's grade, score and single results; `other` headers instead of those it came with."""
    assert (INSTALLED / ".installed").is_file(), "run tools/install-node.sh observatory"
    page = {
        "url": str(answer.url),
        "status": answer.status_code,
        "headers": dict(answer.headers) | {k.replace("_", "-"): v for k, v in other.items()},
        "cookies": answer.headers.get_list("set-cookie"),
        "body": answer.text,
    }
    done = subprocess.run(
        [tool("node"), str(REPOSITORY / GRADE)], input=json.dumps(page), capture_output=True, text=True, timeout=60,
        check=True, cwd=INSTALLED,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture
async def browser(entropy: Any) -> httpx.AsyncClient:
    """The whole web application over TLS, as far as it can tell."""
    mounts = routes(FakePlatform(), Surroundings(public_url=BASE, secure=True), entropy)
    front = Front([], make_site().services, mounts)
    return httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url=BASE)


@pytest.mark.claim("INPUT-1")
async def test_the_pages_get_the_best_grade(browser: httpx.AsyncClient) -> None:
    """A page for strangers, which sets a cookie, is graded A+ and passes every test."""
    answer = await browser.get("/sign-in")
    found = grade(answer)
    assert found["grade"] == "A+", found
    assert [name for name, test in found["tests"].items() if not test["pass"]] == []


async def test_a_weaker_policy_loses_it(browser: httpx.AsyncClient) -> None:
    """The grade falls when inline script is allowed, so it is our headers that are graded."""
    answer = await browser.get("/sign-in")
    found = grade(answer, content_security_policy="default-src 'self' 'unsafe-inline'")
    assert found["grade"] != "A+"
