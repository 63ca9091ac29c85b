"""The published schema tells the truth: a fuzzer that believes it finds no 5xx and no breach of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from itertools import cycle
from typing import Any
from unittest import SkipTest

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.hypothesis import builder
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source

from mailward.edges.web import app, openapi
from tests.edges.web.conftest import make_site
from tests.edges.web.fake_platform import ADMIN, KEYS, FakeReadiness


def _config() -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "generation": {"mode": "all"},
            "auth": {"openapi": {"bearer": {"bearer": ADMIN}, "basic": {"username": "api", "password": ADMIN}}},
            # What no schema can say (is this a mailbox, is that time near enough) is told by 422.
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "403", "404", "409", "413", "422"]}
            },
            # Any text is CSV of one column, and what is wrong with a message is not said by a schema.
            "operations": [
                {
                    "include-name": "POST /v1/suppressions/import",
                    "checks": {"negative_data_rejection": {"enabled": False}},
                }
            ],
        }
    )


_SITE = make_site()


async def _from_loopback(scope: Any, receive: Any, send: Any) -> None:
    await _SITE.front(dict(scope, client=("127.0.0.1", 40000)) if scope["type"] == "http" else scope, receive, send)


schema = schemathesis.openapi.from_dict(openapi.document(app.table(FakeReadiness())), config=_config())
schema.app = _from_loopback


@schemathesis.serializer("message/rfc822")
def _as_it_is(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


_LONG = bool(os.environ.get("MAILWARD_SOAK"))
_TURN, _SCOPES = cycle((True, True, False)), cycle(KEYS)
_FOUND = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
OPERATIONS = {operation.label: operation for operation in _FOUND}
_LEFT_OUT = (
    builder.UnsatisfiableExampleMark, builder.NonSerializableMark, builder.InvalidRegexMark,
    builder.InvalidHeadersExampleMark, builder.MissingPathParameters, builder.UnserializablePayloadMark,
)  # fmt: skip
_SETTINGS = settings(
    max_examples=200 if _LONG else 6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@cache
def _feedback() -> FeedbackSources:
    """The constants that the schema names, from which values are made too."""
    return FeedbackSources(constants_value_source=make_constants_value_source(schema))


def ask(operation: str, test: Callable[..., None]) -> None:
    """What `schema.parametrize()` makes of a test for each operation when tests are collected, which each worker of a
    run would pay for. A SkipTest for want of examples is a failure here, and so is what that one merely warns about.
    """
    load_all_checks()
    run = build_operation_test(
        config=schema.config, operation=OPERATIONS[operation], test_func=test, given_kwargs={}, feedback=_feedback()
    )
    try:
        run()
    except SkipTest as e:
        raise AssertionError(f"{operation} was not tried") from e
    assert not [mark for mark in _LEFT_OUT if mark.get(run)]


def test_no_operation_is_left_out() -> None:
    """Each operation of the document is read as one, and tried below."""
    told = schema.raw_schema["paths"]
    methods = {"get", "put", "post", "patch", "delete"}
    assert set(OPERATIONS) == {f"{m.upper()} {path}" for path, item in told.items() for m in item if m in methods}


@_SETTINGS
def fuzz(case: schemathesis.Case[Any]) -> None:
    """One request: two of three with a key that may do everything, else with keys of each scope in turn."""
    _SITE.clock.seconds += 60
    if next(_TURN):
        case.call_and_validate()
    else:
        case.call_and_validate(headers={"Authorization": f"Bearer {next(_SCOPES)}"})


@pytest.mark.asvs("1.4.2", "2.1.1", "2.2.1")
@pytest.mark.soak
@pytest.mark.claim("KEYS-2")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_fuzzed(operation: str) -> None:
    """Whatever the schema allows or forbids is answered as the schema says, and never with a 5xx.

    Two of three times with a key that may do everything, else with keys of each scope in turn.
    """
    ask(operation, fuzz)


def test_media_types_are_named_without_parameters() -> None:
    """A key of `content` is a media type; what a charset adds is for the answer's own header."""
    for path in openapi.document(app.table(FakeReadiness()))["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                assert not [media for media in answer.get("content", {}) if ";" in media]
