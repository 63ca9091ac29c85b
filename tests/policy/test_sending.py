"""Who may send what, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from mailward.policy.decision import Hold, Refuse
from mailward.policy.sending import ALLOW, ALLOW_TEST, SendFacts, decide


@dataclass(frozen=True)
class Known:
    capture_only: bool = False
    subdomains: bool = False
    held_elsewhere: frozenset[str] = frozenset()


DOMAINS = {
    "example.com": Known(),
    "wide.example": Known(subdomains=True, held_elsewhere=frozenset({"theirs.wide.example"})),
    "narrow.wide.example": Known(),
    "demo.mailward.test": Known(capture_only=True),
}


def facts(**changed: Any) -> SendFacts:
    given: dict[str, Any] = {"domains": DOMAINS, "from_domain": "example.com", "mail_from": "example.com", **changed}
    return SendFacts(**given)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"mail_from": ""},
        {"mail_from": "wide.example", "others": ("wide.example", "example.com")},
        {"from_domain": "news.wide.example"},
        {"from_domain": "a.b.wide.example"},
        {"from_domain": "nottheirs.wide.example"},
        {"allowed_domains": frozenset({"example.com"})},
        {"from_domain": "demo.mailward.test", "capture_mode": True},
    ],
)
def test_allowed(changed: dict[str, Any]) -> None:
    """The workspace's own domains, in every place that names a sender; the shared object costs nothing."""
    assert decide(facts(**changed)) is ALLOW


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"from_domain": "other.example"}, "domain_not_verified"),
        ({"from_domain": ""}, "domain_not_verified"),
        ({"from_domain": "sub.example.com"}, "domain_not_verified"),
        ({"from_domain": "com"}, "domain_not_verified"),
        ({"from_domain": "notexample.com"}, "domain_not_verified"),
        ({"from_domain": "x.narrow.wide.example"}, "domain_not_verified"),
        ({"from_domain": "theirs.wide.example"}, "domain_not_verified"),
        ({"from_domain": "a.b.theirs.wide.example"}, "domain_not_verified"),
        ({"others": ("theirs.wide.example",)}, "domain_not_verified"),
        ({"mail_from": "other.example"}, "domain_not_verified"),
        ({"others": ("example.com", "other.example")}, "domain_not_verified"),
        ({"from_addresses": 2}, "from_not_single"),
        ({"from_addresses": 0}, "from_not_single"),
        ({"from_fields": 2}, "from_not_single"),
        ({"from_fields": 0}, "from_not_single"),
        ({"allowed_domains": frozenset({"wide.example"})}, "domain_not_allowed"),
        ({"allowed_domains": frozenset({"example.com"}), "others": ("wide.example",)}, "domain_not_allowed"),
        ({"allowed_domains": frozenset({"example.com"}), "mail_from": "wide.example"}, "domain_not_allowed"),
        ({"recipients": 0}, "no_recipients"),
        ({"recipients": 101}, "too_many_recipients"),
        ({"size": 41_943_041}, "message_too_large"),
        ({"credential": "paused"}, "credential_paused"),
        ({"credential": "suspended"}, "credential_suspended"),
        ({"workspace": "suspended"}, "workspace_suspended"),
        ({"from_domain": "demo.mailward.test"}, "capture_only_domain"),
        ({"test_mode": True, "from_domain": "other.example"}, "domain_not_verified"),
    ],
)
def test_refused(changed: dict[str, Any], code: str) -> None:
    """Each fact alone turns the same message into a refusal with its own code and a sentence."""
    decision = decide(facts(**changed))
    assert isinstance(decision, Refuse)
    assert decision.code == code
    assert decision.sentence.endswith(".")


def test_paused_is_held_but_only_what_would_be_allowed() -> None:
    """A paused workspace keeps its good messages and still refuses foreign senders."""
    assert isinstance(decide(facts(workspace="paused")), Hold)
    assert isinstance(decide(facts(workspace="paused", from_domain="other.example")), Refuse)


def test_test_mode_is_told() -> None:
    """Test mode is allowed under its own code."""
    assert decide(facts(test_mode=True)) is ALLOW_TEST
