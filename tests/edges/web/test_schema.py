"""The published schema tells the truth: a fuzzer that believes it finds no 5xx and no breach of it."""

from __future__ import annotations

import os
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

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


@pytest.mark.asvs("1.4.2", "2.1.1", "2.2.1")
@pytest.mark.soak
@pytest.mark.claim("KEYS-2")
@schema.parametrize()
@settings(
    max_examples=200 if _LONG else 12,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_fuzzed(case: schemathesis.Case[Any]) -> None:
    """Whatever the schema allows or forbids is answered as the schema says, and never with a 5xx.

    Two of three times with a key that may do everything, else with keys of each scope in turn.
    """
    _SITE.clock.seconds += 60
    if next(_TURN):
        case.call_and_validate()
    else:
        case.call_and_validate(headers={"Authorization": f"Bearer {next(_SCOPES)}"})
