"""What documents say in numbers and lists is what the program does."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from mailward.app.settings import Limits
from mailward.core.guard.tries import LADDERS
from mailward.core.identity.model import SESSION_ABSOLUTE, SESSION_IDLE, SETUP_LINK_LIFE
from mailward.core.identity.passwords import WORDS_OF_THE_PLACE
from mailward.core.identity.sessions import RECENT
from mailward.policy.access import PUBLIC
from tests.access.matrix import pages

DOCS = Path(__file__).resolve().parents[1] / "docs"
_WORDS = {5: "five", 10: "ten"}


def text(name: str) -> str:
    """A document on one line."""
    return " ".join((DOCS / name).read_text("utf-8").split())


@pytest.mark.asvs("7.1.1", "7.1.2", "7.1.3", "7.6.1")
def test_sessions_are_described_as_they_are() -> None:
    """Idle and longest time, fresh proofs, how many at once, and what a provider's session has to do with ours."""
    said = text("sign-in.md").partition("## Sessions")[2].partition("## Invitations")[0]
    assert f"ends after {SESSION_IDLE // timedelta(hours=1)} hours without use" in said
    assert f"after {SESSION_ABSOLUTE.days} days whatever happens" in said
    assert f"of the last {_WORDS[RECENT // timedelta(minutes=1)]} minutes" in said
    for words in ("NIST SP 800-63B", "any number of sessions at once", "A session that began with a provider"):
        assert words in said
    assert f"once, {SETUP_LINK_LIFE // timedelta(hours=1)} hours" in text("sign-in.md")


@pytest.mark.asvs("6.1.1")
def test_guessing_is_described_as_it_is_met() -> None:
    """From when a challenge is asked, from when there is a wait, how it grows and ends, and the most in an hour."""
    said, ladder = text("guarding.md"), LADDERS["password"]
    rule = ladder.account
    assert f"After {_WORDS[rule.ask]} wrong tries a challenge is asked" in said
    assert f"after {_WORDS[rule.free]} there is a wait of one minute" in said and rule.first == 60
    assert f"up to {rule.longest / 60:g} minutes after each {_WORDS[rule.step]} more" in said
    rates = [one.rate for one in (ladder.account, ladder.devices, ladder.addresses)]
    hourly = [rate.quota + 3600 * rate.quota / rate.window for rate in rates]
    assert f"at most {sum(hourly):g} passwords of an account are verified in any hour" in said
    assert "guessing elsewhere keeps nobody out" in said and "`limits.auth_failures_per_minute_ip`" in said


@pytest.mark.asvs("6.1.3", "6.3.4")
def test_every_way_in_is_described() -> None:
    """Each page that a stranger may ask is in the list of ways in, or is said to be none."""
    said = (DOCS / "sign-in.md").read_text("utf-8").partition("## Ways in")[2].partition("## Sessions")[0]
    named = sorted(re.findall(r"`(/[^`]*)`", said), key=len, reverse=True)
    strangers = {page.path for page in pages() if page.policy is PUBLIC} - {"/static/{name:path}"}
    assert len(strangers) > 15
    assert {path for path in strangers if not any(path == n or path.startswith(f"{n}/") for n in named)} == set()
    assert {n for n in named if n not in strangers} == set(), "what is described is there"


@pytest.mark.asvs("6.1.2")
def test_words_that_may_not_make_a_password_are_listed() -> None:
    """Each word of the place is on the page about passwords."""
    said = text("second-factors.md").partition("Words that anybody would try here")[2].partition("any case")[0]
    assert set(re.findall(r"[a-z]+", said)) >= set(WORDS_OF_THE_PLACE)


@pytest.mark.asvs("2.1.3")
def test_every_limit_is_described() -> None:
    """Each setting of `[limits]` is on the page about limits, and what is counted for one and for all."""
    said = text("limits.md")
    for name in Limits.__struct_fields__:
        assert f"`{name}`" in said, name
    for words in ("a workspace", "an API key", "a source", "One count for all"):
        assert words in said
