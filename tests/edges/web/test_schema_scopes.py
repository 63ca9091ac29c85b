"""The schema tells the truth to whoever may do little, and nothing that the fuzzer can check is left out."""

from __future__ import annotations

import os
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS, CheckFunction, load_all_checks
from schemathesis.core.result import Ok

from tests.edges.web.fake_platform import KEYS
from tests.edges.web.test_schema import _SITE, OPERATIONS, ask, schema

_LONG = bool(os.environ.get("MAILWARD_SOAK"))
_LEFT_OUT = {("POST /v1/suppressions/import", "negative_data_rejection")}
"""Any text is CSV of one column, so none of it is wrong."""
_OF_THE_ANSWER = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "allow_header_conformance",
)  # fmt: skip
"""Checks that look at the answer they have. The others ask again with a key that may do everything: test_schema.py."""


@settings(
    max_examples=20 if _LONG else 1,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def with_each_scope(case: schemathesis.Case[Any]) -> None:
    """One request, again and again with keys of each scope."""
    checks = cast("list[CheckFunction]", [CHECKS.get_one(name) for name in _OF_THE_ANSWER])
    for key in KEYS:
        _SITE.clock.seconds += 60
        headers = {"Authorization": f"Bearer {key}"}
        case.validate_response(case.call(headers=headers), checks=checks, headers=headers)


@pytest.mark.soak
@pytest.mark.claim("KEYS-2")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_scope_is_answered_as_documented(operation: str) -> None:
    """With a key of each scope no operation gives an answer that its description lacks: a refusal is documented too."""
    ask(operation, with_each_scope)


def test_every_check_is_made_of_every_operation() -> None:
    """What `--checks all` would make is made: nothing is switched off but what is named above with its reason."""
    load_all_checks()
    names = [check.__name__ for check in CHECKS.get_all()]
    off = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        config = schema.config.checks_config_for(operation=operation, phase=None)
        off |= {(operation.label, name) for name in names if not config.get_by_name(name=name).enabled}
    assert off == _LEFT_OUT
    assert len(names) >= 14
