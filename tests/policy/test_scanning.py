"""Several reports become one."""

from __future__ import annotations

from itertools import permutations

from mailward.policy.scanning import Report, Verdict, combine, unavailable

CLEAN = Report("yara", Verdict.CLEAN)
INFECTED = Report("clamd", Verdict.INFECTED, "found", ("Eicar",))
SPAM = Report("rspamd", Verdict.SPAM, "15 of 15", (), 15.0, ("GTUBE(15.00)",))
DOWN = unavailable("clamd", "gone")


def test_the_worst_verdict_counts_in_any_order() -> None:
    """Malware outweighs a scanner that is down, that outweighs spam, and nothing outweighs silence into clean."""
    for reports, verdict, reason in (
        ((CLEAN, INFECTED, SPAM), Verdict.INFECTED, "found"),
        ((CLEAN, DOWN, SPAM), Verdict.UNAVAILABLE, "gone"),
        ((CLEAN, SPAM), Verdict.SPAM, "15 of 15"),
        ((CLEAN, DOWN), Verdict.UNAVAILABLE, "gone"),
        ((CLEAN,), Verdict.CLEAN, ""),
    ):
        for order in permutations(reports):
            assert combine(order)[1:3] == (verdict, reason)


def test_nobody_looked() -> None:
    """Without a scanner the verdict is "skipped", not "clean"."""
    assert combine([]).verdict is Verdict.SKIPPED


def test_matches_and_score_survive() -> None:
    """Matches are named with their engine, a spam score and its symbols are kept whatever the verdict."""
    report = combine([CLEAN, INFECTED, SPAM])
    assert report.engine == "yara,clamd,rspamd"
    assert report.matches == ("clamd:Eicar",)
    assert (report.score, report.symbols) == (15.0, ("GTUBE(15.00)",))


def test_what_is_kept_is_bounded() -> None:
    """A scanner that says very much is cut."""
    loud = Report("x", Verdict.SPAM, "", tuple("n" * 500 for _ in range(99)), 1.0, tuple("s" * 500 for _ in range(99)))
    report = combine([loud])
    assert len(report.matches) == len(report.symbols) == 20
    assert max(map(len, report.matches + report.symbols)) == 120
