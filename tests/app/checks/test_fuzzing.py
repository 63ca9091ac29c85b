"""The fuzzer of the published schema: what it asks, and that an API which does not keep to its schema is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mailward.app.checks import fuzzing, probe
from mailward.app.checks.fuzzing import Case, Document
from mailward.app.checks.probe import Heard
from mailward.app.context import Context
from mailward.base.secret import Secret
from mailward.core.evidence.model import Finding, Result
from mailward.edges.web import openapi
from mailward.edges.web.api import operations
from tests.conftest import SeededEntropy

_PROBLEM = {"type": "t", "title": "t", "status": 422, "detail": "d", "code": "c", "request_id": "r"}
_AS_PROBLEM = {"content-type": "application/problem+json"}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """The schema that the platform publishes."""
    return openapi.document(operations())


async def judged(told: dict[str, Any], answer: Heard, monkeypatch: pytest.MonkeyPatch) -> Finding:
    """What the check says of an API that publishes the schema and gives one answer to everything."""

    async def ask(_: Any, method: str, path: str, **__: Any) -> Heard:
        return Heard(200, {}, told) if path == "/openapi.json" else answer

    @asynccontextmanager
    async def temporary(*_: Any) -> AsyncIterator[Any]:
        yield SimpleNamespace(secret=Secret("s"))

    monkeypatch.setattr(probe, "ask", ask)
    monkeypatch.setattr(probe, "temporary", temporary)
    return await fuzzing.the_schema_is_kept(cast(Context, SimpleNamespace(entropy=SeededEntropy())))


@pytest.mark.claim("INPUT-1")
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Heard(500, _AS_PROBLEM, _PROBLEM), "a fault of ours"),
        (Heard(200, {"content-type": "application/json"}, {}), "let through"),
        (Heard(418, _AS_PROBLEM, _PROBLEM), "not documented"),
        (Heard(422, {"content-type": "text/html"}, b"no"), "not as text/html"),
        (Heard(422, _AS_PROBLEM, {"status": "422"}), "not of the documented form"),
    ],
)
async def test_an_api_that_does_not_keep_its_schema_fails(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answer: Heard, words: str
) -> None:
    """A fault of ours, one let through, an answer without a line in the document, and one of another form."""
    found = await judged(told, answer, monkeypatch)
    assert (found.result, words in found.evidence) == (Result.FAILED, True), found.evidence


async def test_one_that_refuses_as_documented_passes(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """422 as a problem document is what every operation may say; one without a schema is a failure."""
    assert (await judged(told, Heard(422, _AS_PROBLEM, _PROBLEM), monkeypatch)).result is Result.PASSED
    assert (await judged({}, Heard(422, _AS_PROBLEM, _PROBLEM), monkeypatch)).result is Result.FAILED


def test_what_is_asked_changes_nothing(told: dict[str, Any]) -> None:
    """Reading, dry runs, and things that never were; nothing that is counted as an export."""
    every = fuzzing.cases(told)
    assert len(every) > 600
    for case in every:
        nobodys = "never-was" in case.path or "0" * 26 in case.path
        assert case.method == "GET" or nobodys or _is_dry(case), case
        assert not case.path.endswith(("export", "csv"))
    kinds = {case.what.rpartition(": ")[2] for case in every}
    assert {"", "an unknown field", "an unknown parameter", "too long", "too many", "too large", "too small"} <= kinds


def _is_dry(case: Case) -> bool:
    """Whether a body is a dry run wherever it says anything of its own."""
    body = case.body
    if case.path == "/v1/messages/batch":
        listed = body.get("messages")
        return not isinstance(listed, list) or all(m == "x" or m.get("dry_run") is True for m in listed)
    return body.get("dry_run") is True


def test_conforming_is_told_from_not() -> None:
    """Types (true is no number), alternatives, enumerations, what is required, and each part in turn."""
    thing = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"anyOf": [{"type": "null"}, {"type": "integer"}]}},
    }
    document = Document({"components": {"schemas": {"Thing": thing}}})
    schema = {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}
    for value, right in (
        ([], True), ([{"a": 1}, {"a": None}], True), ([{"a": True}], False), ([{}], False), ([{"a": "1"}], False),
        ({}, False),
    ):  # fmt: skip
        assert fuzzing.conforms(document, schema, value) is right, value
    assert not fuzzing.conforms(document, {"type": "string", "enum": ["x"]}, "y")
