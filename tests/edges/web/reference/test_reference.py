"""The reference shows the whole API, on pages that are small, quiet and accessible, with examples that work."""

from __future__ import annotations

import ast
import gzip
import inspect
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import date, datetime
from html import unescape
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette

from mailward.edges.web import app, openapi
from mailward.edges.web.auth import Origin
from mailward.edges.web.limits import LocalLimiter
from mailward.edges.web.reference import samples
from mailward.edges.web.reference.shown import subjects
from mailward.edges.web.reference.site import ROOT, routes
from mailward_client import Mailward
from tests.client.conftest import URL
from tests.edges.web.fake_platform import FakeReadiness, FixedClock

if TYPE_CHECKING:
    from playwright.async_api import Route

BASE = "https://mail.example"
DOCUMENT = openapi.document(app.table(FakeReadiness()))
SUBJECTS = subjects(DOCUMENT, BASE)
PATHS = [ROOT, *(f"{ROOT}/{tag}" for tag in SUBJECTS)]


def _client() -> httpx.AsyncClient:
    limiter = LocalLimiter(FixedClock().monotonic)
    site = Starlette(routes=routes(lambda: DOCUMENT, BASE, Origin(()), limiter, lambda: date(2026, 3, 31)))
    transport = httpx.ASGITransport(site, client=("127.0.0.1", 40000))
    return httpx.AsyncClient(transport=transport, base_url=BASE)


def _operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, op in methods.items():
            yield method.upper(), path, op


async def test_everything_is_shown() -> None:
    """Each operation, parameter, type, answer and code of the document has its place, and each link leads to one."""
    async with _client() as client:
        texts = {path: unescape((await client.get(path)).text) for path in PATHS}
    for method, path, op in _operations():
        page = texts[f"{ROOT}/{op['tags'][0]}"]
        place = page.partition(f'<section class="operation" id="{op["operationId"]}"')[2].partition("</section>")[0]
        assert method in place
        assert path in place
        for parameter in op["parameters"]:
            assert f"<code>{parameter['name']}</code>" in place
        for status in op["responses"]:
            assert str(status) in place
    for at, text in texts.items():
        ids = re.findall(r' id="([^"]+)"', text)
        assert len(ids) == len(set(ids)), at
        for link in re.findall(r'href="([^"]+)"', text):
            path, _, anchor = link.partition("#")
            if (path or at) in texts and anchor:
                assert f'id="{anchor}"' in texts[path or at], (at, link)
            else:
                elsewhere = link == "/" or link.startswith(("data:", "/openapi.json", f"{ROOT}/style.css"))
                assert path in texts or elsewhere, link


async def test_small_and_on_a_strict_policy() -> None:
    """Each page is far below 100 kB compressed, allows nothing but its own sheet, and is kept by caches."""
    async with _client() as client:
        for path in PATHS:
            answer = await client.get(path)
            assert answer.status_code == 200
            assert len(gzip.compress(answer.content)) < 60_000, path
            assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
            assert "<script" not in answer.text
            assert " style=" not in answer.text
            again = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
            assert again.status_code == 304
        assert (await client.get(f"{ROOT}/nothing")).status_code == 404
        assert "2026-04-01T12:00:00Z" in (await client.get(f"{ROOT}/messages")).text, "an example is of tomorrow"
        assert (await client.get(f"{ROOT}/style.css")).headers["content-type"].startswith("text/css")


def test_sample_bodies_are_allowed() -> None:
    """The body of each example is one that the schema allows."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    schemas = DOCUMENT["components"]["schemas"]
    for _, _, op in _operations():
        content = op.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            schema = {**content["application/json"]["schema"], "components": {"schemas": schemas}}
            Draft202012Validator(schema).validate(samples.body(op, schemas))


def test_python_examples_fit_the_client() -> None:
    """Each Python example is a call that the client takes, and sends the body that the other examples send."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise httpx.ReadTimeout("enough", request=request)

    transport = httpx.MockTransport(answer)
    with Mailward(URL, "mw_k", transport=transport, sleep=lambda _: None) as mail:
        for method, path, op in _operations():
            text = samples.python(BASE, op, samples.body(op, DOCUMENT["components"]["schemas"]))
            call = next(
                node
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("mail.")
            )
            named = {"mail": mail, "datetime": datetime}
            arguments = [eval(ast.unparse(a), named) for a in call.args]
            keywords = {str(k.arg): eval(ast.unparse(k.value), named) for k in call.keywords}
            function = getattr(mail, samples.snake(op["operationId"]))
            inspect.signature(function).bind(*arguments, **keywords)
            sent.clear()
            with pytest.raises(Exception, match="enough"):
                function(*arguments, **keywords)
            assert sent[0].method == method
            assert re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), sent[0].url.path)


def test_curl_examples_say_the_same() -> None:
    """Each curl example is one command of a shell, with the method, the address and the body of its operation."""
    for method, path, op in _operations():
        given = samples.body(op, DOCUMENT["components"]["schemas"])
        parts = shlex.split(samples.curl(BASE, method, path, op, given).replace("\\\n", ""))
        assert parts[0] == "curl"
        assert (parts[parts.index("-X") + 1] if "-X" in parts else "GET") == method
        address = next(p for p in parts if p.startswith(BASE)).removeprefix(BASE).partition("?")[0]
        assert re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), address)
        assert ("--data-binary" in parts) == (given is not None)


def test_node_examples_are_javascript() -> None:
    """The Node examples are modules that Node reads."""
    schemas = DOCUMENT["components"]["schemas"]
    blocks = [samples.node(BASE, m, p, op, samples.body(op, schemas)) for m, p, op in _operations()]
    text = "\n".join(f"async function f{i}() {{\n{block}\n}}" for i, block in enumerate(blocks))
    told = subprocess.run(["node", "--check", "-"], input=text, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr[:500]


@pytest.mark.claim("INPUT-1")
async def test_accessible_in_chromium() -> None:
    """No violation of axe in light and dark, no complaint of the browser, nothing from elsewhere."""
    from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
    from playwright.async_api import async_playwright

    said: list[str] = []
    async with _client() as client, async_playwright() as play:

        async def serve(route: Route) -> None:
            answer = await client.get(route.request.url)
            await route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

        browser = await play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for scheme, path in (("light", f"{ROOT}/sending"), ("dark", ROOT)):
            context = await browser.new_context(color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
            page = await context.new_page()
            page.on("console", lambda m: said.append(m.text))
            await page.route("**/*", serve)
            await page.goto(BASE + path)
            found = await Axe().run(page)
            assert found.violations_count == 0, (path, scheme, found.generate_report()[:1500])
        await browser.close()
    assert said == []
