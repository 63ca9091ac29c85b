"""`mailward verify` against a running platform: nothing fails, and what is broken behind its back does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenarios.platform import Platform


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as running:
        _, sent = running.api(
            "POST",
            "/v1/messages",
            {"from": "a@demo.mailward.test", "to": "someone@example.com", "subject": "s", "text": "t"},
        )
        running.wait_status(sent["id"], ["delivered"])
        yield running


def _states(platform: Platform) -> dict[str, dict[str, Any]]:
    done = platform.cli("verify", "--json", timeout=120)
    assert done.stdout, done.stderr
    return {line["id"]: line for line in json.loads(done.stdout)["controls"]}


@pytest.mark.claim("TRUST-1")
def test_no_control_fails_on_a_fresh_installation(platform: Platform) -> None:
    """66 lines; every check that ran holds, and those with a check say what they saw."""
    lines = _states(platform)
    assert len(lines) == 66
    failing = {i: line["evidence"] for i, line in lines.items() if line["state"] == "failing"}
    assert not failing
    for promise in (
        *("REST-1", "TRANSIT-1", "TRANSIT-2", "TRANSIT-5", "NET-1", "AUTHZ-1", "AUTHZ-2", "KEYS-1", "KEYS-2", "LOG-1"),
        *("LOG-2", "EMAIL-1", "EMAIL-6", "EMAIL-7", "INPUT-1", "INPUT-3", "RATE-2", "SUPPLY-1", "SUPPLY-2"),
        *("PRIVACY-1", "TRUST-1", "AUTHZ-3", "AUTHZ-4", "PEOPLE-1"),
    ):
        assert lines[promise]["evidence"], promise
        assert lines[promise]["state"] in ("proved", "partly_proved"), (promise, lines[promise])


def test_one_promise_alone(platform: Platform) -> None:
    """A name runs that check and no other; a name nobody knows is wrong use."""
    done = platform.cli("verify", "rate-2", "--json", timeout=120)
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout)
    assert [line["id"] for line in answer["controls"]] == ["RATE-2"]
    assert sum(answer["summary"].values()) == 1
    assert platform.cli("verify", "RATE-99").returncode == 2


@pytest.mark.claim("TRUST-1")
def test_a_control_broken_behind_its_back_turns_red(platform: Platform) -> None:
    """The key file made readable for others: its line fails at the next run, and the command says no."""
    key = platform.data / "keys" / "master.key"
    mode = key.stat().st_mode
    key.chmod(0o644)
    try:
        done = platform.cli("verify", "--json", timeout=120)
    finally:
        key.chmod(mode)
    assert done.returncode == 1, done.stderr
    assert [c["id"] for c in json.loads(done.stdout)["controls"] if c["state"] == "failing"] == ["REST-2"]
