"""Which route an address takes, in time linear in the address, whatever patterns customers write.

A route names addresses of one domain: one exactly, one with any plus-tag, a local part with `*`, a regular
expression, or all. The more specific kind wins, and routes that are equally specific all count.
Expressions are RE2's: no back-references and no look-around, so that no pattern and no address can make matching
slow (CWE-1333); a memory limit refuses counted repetitions that would grow without bounds.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import re2

from mailward.base.errors import Invalid

PATTERN_MAX = 200
STARS_MAX = 8
_MEMORY = 1 << 18
_ALWAYS = frozenset(("postmaster", "abuse"))


class MatchKind(StrEnum):
    """How a route chooses addresses; the more specific kind wins, in this order."""

    EXACT = "exact"
    PLUS = "plus"
    WILDCARD = "wildcard"
    REGEX = "regex"
    CATCH_ALL = "catch_all"


class Rule(NamedTuple):
    """A route as matching sees it. `key` is the caller's; `domain` lower case, with A-labels."""

    key: Any
    domain: str
    kind: MatchKind
    pattern: str


def judge_pattern(kind: MatchKind, pattern: str) -> str:
    """The pattern as it is kept. Raises Invalid with a sentence that says what is wrong with it.

    Patterns are about the local part, the piece before the @, without regard to case.
    """
    if kind is MatchKind.CATCH_ALL:
        if pattern:
            raise _invalid("A catch-all route takes every address of its domain and has no pattern.")
        return ""
    if not pattern or len(pattern) > PATTERN_MAX:
        raise _invalid(f"A pattern has 1 to {PATTERN_MAX} characters.")
    if kind is MatchKind.REGEX:
        _compile(pattern)
        return pattern
    if not pattern.isprintable() or "@" in pattern or " " in pattern:
        raise _invalid("A pattern is the part of an address before the @, without spaces.")
    folded = fold(pattern)
    if kind is MatchKind.WILDCARD:
        if "*" not in folded or folded.count("*") > STARS_MAX:
            raise _invalid(f"A wildcard pattern has 1 to {STARS_MAX} stars.")
        return folded
    if "*" in folded:
        raise _invalid(f"A star needs the kind 'wildcard', not '{kind.value}'.")
    if kind is MatchKind.PLUS and "+" in folded:
        raise _invalid("A plus route names the part before the plus; any tag after it is taken.")
    return folded


def fold(local: str) -> str:
    """A local part for comparing: canonical composition, without case (RFC 6532 section 3.1 asks for NFC)."""
    if local.isascii():
        return local.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).casefold())


def _invalid(why: str) -> Invalid:
    return Invalid("invalid_pattern", why, field="pattern")


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    options.case_sensitive = False
    options.never_capture = True
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as e:
        said = e.args[0] if isinstance(e, re2.error) and e.args else b""
        why = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise _invalid(f"This expression cannot be matched in linear time or has an error: {why[:100]}") from None


def _matches_stars(pieces: tuple[str, ...], text: str) -> bool:
    """Whether the text is these pieces with anything in between: each is looked for once, from the left."""
    head, *middle, tail = pieces
    end = len(text) - len(tail)
    if end < len(head) or not text.startswith(head) or not text.endswith(tail):
        return False
    at = len(head)
    for piece in middle:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


@dataclass(slots=True)
class _DomainRules:
    exact: dict[str, list[Any]] = field(default_factory=dict)
    plus: dict[str, list[Any]] = field(default_factory=dict)
    wildcard: list[tuple[tuple[str, ...], Any]] = field(default_factory=list)
    regex: list[tuple[Any, Any]] = field(default_factory=list)
    catch_all: list[Any] = field(default_factory=list)


class RouteTable:
    """All routes of an installation, made once an epoch; a look-up is a few probes and a pass over the patterns."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._domains: dict[str, _DomainRules] = {}
        for rule in rules:
            self._add(self._domains.setdefault(rule.domain, _DomainRules()), rule)

    def _add(self, rules: _DomainRules, rule: Rule) -> None:
        match rule.kind:
            case MatchKind.EXACT:
                rules.exact.setdefault(rule.pattern, []).append(rule.key)
            case MatchKind.PLUS:
                rules.plus.setdefault(rule.pattern, []).append(rule.key)
            case MatchKind.WILDCARD:
                rules.wildcard.append((tuple(rule.pattern.split("*")), rule.key))
            case MatchKind.REGEX:
                try:
                    rules.regex.append((_compile(rule.pattern), rule.key))
                except Invalid:
                    return  # accepted by a version whose engine took it: it takes nothing, which its owner sees
            case MatchKind.CATCH_ALL:
                rules.catch_all.append(rule.key)

    def __contains__(self, domain: str) -> bool:
        """Is there any route of that domain?"""
        return domain in self._domains

    def lookup(self, local: str, domain: str) -> tuple[Any, ...]:
        """Keys of the routes an address takes: those of the most specific kind that matches; () for none."""
        rules = self._domains.get(domain)
        if rules is None:
            return ()
        name = fold(local)
        if found := rules.exact.get(name):
            return tuple(found)
        if rules.plus and (found := rules.plus.get(name.partition("+")[0])):
            return tuple(found)
        if taken := tuple(key for pieces, key in rules.wildcard if _matches_stars(pieces, name)):
            return taken
        if rules.regex and (taken := _expressions(rules.regex, name)):
            return taken
        return tuple(rules.catch_all)


def _expressions(rules: list[tuple[Any, Any]], name: str) -> tuple[Any, ...]:
    try:
        return tuple(key for pattern, key in rules if pattern.fullmatch(name) is not None)
    except UnicodeEncodeError:  # half of a surrogate pair is no address
        return ()


def is_role(local: str) -> bool:
    """Addresses that a domain with mail has to take: postmaster (RFC 5321 section 4.5.1) and abuse (RFC 2142)."""
    return fold(local) in _ALWAYS
