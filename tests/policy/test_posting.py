"""What an endpoint's answer means, and when the next attempt is."""

from __future__ import annotations

import pytest

from mailward.base.errors import Invalid
from mailward.base.outcome import Done, PermFail, TempFail
from mailward.policy.posting import (
    RESPONSE_KEPT,
    SCHEDULE,
    delay_before,
    due_times,
    judge,
    next_attempt,
    rest,
    said,
    silent_too_long,
    span,
)

DAY_US = 86_400_000_000


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_done(status: int) -> None:
    """The endpoint took it."""
    assert judge(status, "", None) == Done()


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 404, 429, 500, 502, 503, 504, 999])
def test_everything_else_is_tried_again(status: int) -> None:
    """Redirects too: they are not followed, so it did not arrive."""
    outcome = judge(status, "", 7.0)
    assert isinstance(outcome, TempFail)
    assert outcome.retry_after == 7.0


def test_gone_is_final_and_silence_is_not() -> None:
    """410 ends it, no answer does not, whatever the status field says."""
    assert isinstance(judge(410, "", None), PermFail)
    assert isinstance(judge(410, "no answer", None), TempFail)


def test_the_schedule_is_the_one_of_standard_webhooks() -> None:
    """0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, each up to a fifth longer, then nothing."""
    assert SCHEDULE == (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    for number, seconds in enumerate(SCHEDULE, 1):
        assert delay_before(number, 0.0) == seconds
        assert (delay_before(number, 0.999) or 0) <= seconds * 1.2
    assert delay_before(11, 0.0) is None


def test_patience_that_is_asked_for_is_given_within_a_day() -> None:
    """Retry-After lengthens a step, never shortens it, and not beyond the longest."""
    assert next_attempt(TempFail("refused", ""), 1, 0, 0.0) == 5_000_000
    assert next_attempt(TempFail("refused", "", retry_after=60), 1, 0, 0.0) == 60_000_000
    assert next_attempt(TempFail("refused", "", retry_after=1), 2, 0, 0.0) == 300_000_000
    assert next_attempt(TempFail("refused", "", retry_after=1e9), 1, 0, 0.0) == DAY_US
    assert next_attempt(TempFail("refused", "", retry_after=60), len(SCHEDULE), 0, 0.0) is None


def test_what_is_kept_of_an_answer_is_text_that_every_store_holds() -> None:
    """No NUL, no broken octets, no more than a kilobyte."""
    assert said(b"a\0b\xff", "") == "a\ufffdb\ufffd"
    assert len(said(b"x" * 5000, "")) == RESPONSE_KEPT
    assert said(b"x", "no answer") == "no answer"


def test_five_days_of_silence_are_too_long() -> None:
    """Counted from the first attempt that failed."""
    assert silent_too_long(0, 5 * DAY_US, last=True, since=4 * DAY_US)
    assert not silent_too_long(1, 5 * DAY_US, last=True, since=0)
    assert not silent_too_long(None, 5 * DAY_US, last=True, since=0)


def test_ten_days_are_too_long_where_nothing_comes_to_its_last_attempt() -> None:
    """So much may wait for an endpoint that is down that each thing is hardly ever tried. What came later says nothing:
    it may be the first for weeks."""
    assert silent_too_long(0, 10 * DAY_US, last=False, since=5 * DAY_US)
    assert not silent_too_long(1, 10 * DAY_US, last=False, since=0)
    assert not silent_too_long(0, 10 * DAY_US, last=False, since=5 * DAY_US + 1)


@pytest.mark.parametrize(("failing_for", "seconds"), [(0.0, 0.5), (1.9, 0.5), (20.0, 5.0), (86_400.0, 30.0)])
def test_an_endpoint_rests_a_quarter_of_the_time_it_took_nothing(failing_for: float, seconds: float) -> None:
    """Between half a second and half a minute."""
    assert rest(failing_for) == seconds


@pytest.mark.parametrize(("since", "until"), [(5, 5), (6, 5), (-1, 5), (0, 400 * DAY_US)])
def test_a_span_that_is_none_is_refused(since: int, until: int) -> None:
    """Empty, backwards, before all time, or far ahead."""
    with pytest.raises(Invalid):
        span(since, until, now=10, oldest=0)


def test_a_span_reaches_up_to_now_where_nothing_else_is_asked() -> None:
    """And back to the oldest that is kept."""
    assert span(None, None, now=10, oldest=3) == (3, 11)


def test_catching_up_is_no_flood() -> None:
    """Twenty a second become due."""
    assert due_times(3, 100) == [100, 50_100, 100_100]
