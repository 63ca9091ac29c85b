"""`/openapi.json`, and `/problems/{code}`: where the `type` of every problem leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from mailward.base.errors import NotFound
from mailward.edges.web.catalogue import CATALOGUE
from mailward.edges.web.limits import RateClass
from mailward.edges.web.problems import TITLES
from mailward.edges.web.routes import Call, Operation, Reply
from mailward.edges.web.schema.common import NoQuery, View
from mailward.policy.access import PUBLIC


class ProblemMeaning(View):
    """What a code means and what to do about it."""

    code: str
    status: int
    title: str
    meaning: str


class CodeList(View):
    """Every listed code."""

    data: list[ProblemMeaning]


class Document(View):
    """An OpenAPI document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


def _meaning(code: str) -> ProblemMeaning:
    status, text = CATALOGUE[code]
    return ProblemMeaning(code=code, status=status, title=TITLES[status], meaning=text)


def operations(schema: Callable[[], dict[str, Any]]) -> list[Operation]:
    """The documents; `schema` gives the OpenAPI document once the whole table is known."""
    made: list[bytes] = []

    async def openapi(call: Call[NoQuery, None]) -> Reply:
        if not made:
            made.append(msgspec.json.encode(schema()))
        return Reply(made[0])

    async def one(call: Call[NoQuery, None]) -> ProblemMeaning:
        code = call.params["code"]
        if code not in CATALOGUE:
            raise NotFound("not_found", "There is no such code in the list; the problem itself says what happened.")
        return _meaning(code)

    async def every(call: Call[NoQuery, None]) -> CodeList:
        return CodeList(data=[_meaning(code) for code in sorted(CATALOGUE)])

    common: dict[str, Any] = {"method": "GET", "permission": PUBLIC, "rate": RateClass.PUBLIC, "tag": "documents"}
    return [
        Operation(
            path="/openapi.json",
            handler=openapi,
            name="getSchema",
            summary="This document",
            response=Document,
            **common,
        ),
        Operation(
            path="/problems",
            handler=every,
            name="listProblems",
            summary="Every problem code",
            response=CodeList,
            **common,
        ),
        Operation(
            path="/problems/{code}",
            handler=one,
            name="getProblem",
            summary="What a problem code means",
            response=ProblemMeaning,
            **common,
        ),
    ]
