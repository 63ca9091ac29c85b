"""Which route an address takes."""

from __future__ import annotations

import pytest

from mailward.base.errors import Invalid
from mailward.policy.inbound_routes import MatchKind, RouteTable, Rule, fold, is_role, judge_pattern
from tests.spent import within

K = MatchKind
D = "in.example.com"


def table(*rules: tuple[str, MatchKind, str]) -> RouteTable:
    return RouteTable(Rule(key, D, kind, judge_pattern(kind, pattern)) for key, kind, pattern in rules)


ALL = table(
    ("exact", K.EXACT, "Support"),
    ("plus", K.PLUS, "reply"),
    ("wild", K.WILDCARD, "order-*"),
    ("both", K.WILDCARD, "*-in-*"),
    ("digits", K.REGEX, r"t\d{3,6}"),
    ("rest", K.CATCH_ALL, ""),
)


@pytest.mark.parametrize(
    ("local", "taken"),
    [
        ("support", ("exact",)),
        ("SUPPORT", ("exact",)),
        ("support+tag", ("rest",)),
        ("reply", ("plus",)),
        ("Reply+ticket-7+x", ("plus",)),
        ("replying", ("rest",)),
        ("order-", ("wild",)),
        ("order-77", ("wild",)),
        ("order-in-7", ("wild", "both")),
        ("preorder-7", ("rest",)),
        ("t123", ("digits",)),
        ("T123456", ("digits",)),
        ("t1234567", ("rest",)),
        ("xt123", ("rest",)),
        ("", ("rest",)),
        ("\udc80", ("rest",)),
    ],
)
def test_the_most_specific_kind_wins(local: str, taken: tuple[str, ...]) -> None:
    """Exact before plus before wildcard before expression before catch-all; equals all count; case does not."""
    assert ALL.lookup(local, D) == taken


def test_a_domain_without_routes_takes_nothing() -> None:
    """An address of another domain, a sub-domain included, has no route."""
    assert ALL.lookup("support", "example.com") == ()
    assert ALL.lookup("support", "x." + D) == ()
    assert D in ALL
    assert "example.com" not in ALL


def test_two_routes_of_one_pattern_both_count() -> None:
    """A message may go to two endpoints."""
    assert table(("a", K.EXACT, "x"), ("b", K.EXACT, "X")).lookup("x", D) == ("a", "b")


def test_composed_and_decomposed_letters_are_one() -> None:
    """SMTPUTF8 addresses are compared in canonical composition."""
    assert fold("jose\u0301") == fold("JOS\u00c9") == "jos\u00e9"
    assert table(("a", K.EXACT, "jos\u00e9")).lookup("JOSE\u0301", D) == ("a",)


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        (K.EXACT, ""),
        (K.EXACT, "a b"),
        (K.EXACT, "a@b"),
        (K.EXACT, "a*"),
        (K.EXACT, "a\r\n"),
        (K.EXACT, "x" * 201),
        (K.PLUS, "a+b"),
        (K.WILDCARD, "abc"),
        (K.WILDCARD, "*" * 9),
        (K.CATCH_ALL, "x"),
        (K.REGEX, "("),
        (K.REGEX, r"(a)\1"),
        (K.REGEX, "(?=a)b"),
        (K.REGEX, "(?<!a)b"),
        (K.REGEX, "(?>a+)b"),
        (K.REGEX, "a{1001}"),
        (K.REGEX, "((a{100}){100}){100}"),
        (K.REGEX, "(?P<x>a)(?P=x)"),
        (K.REGEX, "\ud800"),
    ],
)
def test_a_pattern_that_cannot_be_kept_is_refused(kind: MatchKind, pattern: str) -> None:
    """What would need backtracking or unbounded memory, or is no local part, is refused with its field."""
    with pytest.raises(Invalid) as e:
        judge_pattern(kind, pattern)
    assert e.value.field == "pattern"


@pytest.mark.asvs("15.2.2")
@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        (K.REGEX, "(a+)+b"),
        (K.REGEX, "(a|a)*b"),
        (K.REGEX, "(a*)*(a*)*b"),
        (K.REGEX, "(.*a){12}b"),
        (K.REGEX, "^(([a-z])+.)+[A-Z]([a-z])+$"),
        (K.WILDCARD, "*a*a*a*a*a*a*b"),
    ],
)
def test_patterns_that_ruin_backtracking_engines_cost_nothing(kind: MatchKind, pattern: str) -> None:
    """A hostile pattern on a hostile address of 100,000 characters is answered in a blink."""
    made = table(("evil", kind, pattern))
    assert within(0.5, lambda: made.lookup("a" * 100_000 + "!", D)) == ()


def test_postmaster_and_abuse_are_role_addresses() -> None:
    """RFC 5321 and RFC 2142, whatever their case."""
    assert is_role("PostMaster")
    assert is_role("abuse")
    assert not is_role("postmaster2")


@pytest.mark.asvs("1.2.9")
def test_only_an_expression_is_read_as_one() -> None:
    """In every other kind the signs of expressions are letters like others; a star is one in a wildcard alone."""
    rules = table(("exact", K.EXACT, "a.c"), ("plus", K.PLUS, "d.f"), ("wild", K.WILDCARD, "[gh].*(i|j)"))
    for local, taken in (
        ("a.c", ("exact",)), ("abc", ()), ("d.f+x", ("plus",)), ("def+x", ()),
        ("[gh].x(i|j)", ("wild",)), ("g.xi", ()), ("[gh]xx(i|j)", ()),
    ):  # fmt: skip
        assert rules.lookup(local, D) == taken, local
