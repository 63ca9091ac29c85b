"""Reading one SPF record (RFC 7208 sections 4.5, 4.6, 5 and 12): wholly, before anything is evaluated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, TypeAlias, cast

from mailward.protocol.spf import macro
from mailward.protocol.spf.macro import Template
from mailward.protocol.spf.model import Result, permerror

Kind: TypeAlias = Literal["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"]

MAX_RECORD = 4096
"""Octets. The largest real records stay below 1,500 (RFC 7208 section 3.4 asks for 450); DNS would carry 64 KiB."""
MAX_TERMS = 500

_QUALIFIERS: dict[str, Result] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"([-+?~]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:(?=[:/])(.*))?", re.DOTALL | re.IGNORECASE)
_CIDR = re.compile(r"(.*?)(?:/([0-9]+))?(?://([0-9]+))?", re.DOTALL)
_ASKING = frozenset(("include", "a", "mx", "ptr", "exists"))


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism with what it says when it matches. `target` is None for the current domain."""

    kind: Kind
    result: Result
    text: str
    target: Template | None = None
    prefix4: int = 32
    prefix6: int = 128
    network: IPv4Network | IPv6Network | None = None

    @property
    def asks(self) -> bool:
        """Whether it counts against the ten terms that ask DNS (section 4.6.4)."""
        return self.kind in _ASKING


@dataclass(frozen=True, slots=True)
class Policy:
    """A record: directives in order, and the two modifiers that mean something."""

    directives: tuple[Directive, ...]
    redirect: Template | None = None
    explanation: Template | None = None


def is_policy(record: bytes) -> bool:
    """Whether a TXT record is an SPF record at all: the version section, then a space or nothing (section 4.5)."""
    return record[:6].lower() == b"v=spf1" and record[6:7] in (b"", b" ")


def parse(record: bytes) -> Policy:
    """A record that `is_policy`. Raises Stopped (permerror): one mistake anywhere spoils the whole (section 4.6)."""
    if len(record) > MAX_RECORD:
        raise permerror(f"The SPF record is longer than {MAX_RECORD} octets.")
    if not record.isascii():
        raise permerror("The SPF record holds characters outside ASCII.")
    terms = [term for term in record.decode("ascii")[6:].split(" ") if term]
    if len(terms) > MAX_TERMS:
        raise permerror(f"The SPF record has more than {MAX_TERMS} terms.")
    directives: list[Directive] = []
    modifiers: dict[str, Template] = {}
    for term in terms:
        if match := _MODIFIER.fullmatch(term):
            _modifier(match[1].lower(), match[2], modifiers)
        elif match := _DIRECTIVE.fullmatch(term):
            directives.append(_directive(term, match))
        else:
            raise permerror(f"The SPF record holds a term that is none ({macro.printable(term)}).")
    return Policy(tuple(directives), modifiers.get("redirect"), modifiers.get("exp"))


def _modifier(name: str, value: str, found: dict[str, Template]) -> None:
    if name not in ("redirect", "exp"):
        macro.read(value)  # section 6: unknown ones are ignored, but must be well-formed
        return
    if name in found:
        raise permerror(f"The SPF record has {name}= twice.")
    found[name] = macro.read_domain(value)


def _directive(term: str, match: re.Match[str]) -> Directive:
    kind = cast(Kind, match[2].lower())
    result = _QUALIFIERS[match[1] or "+"]
    rest: str = match[3] or ""
    if kind == "all":
        if rest:
            raise _malformed(term)
        return Directive(kind, result, term)
    if kind in ("ip4", "ip6"):
        return Directive(kind, result, term, network=_network(kind, rest, term))
    if kind in ("a", "mx"):
        cut = _CIDR.fullmatch(rest)
        if cut is None:
            raise _malformed(term)
        name, four, six = cut[1], _prefix(cut[2], 32, term), _prefix(cut[3], 128, term)
        return Directive(kind, result, term, _target(name, term), four, six)
    target = _target(rest, term)
    if target is None and kind != "ptr":
        raise _malformed(term)
    return Directive(kind, result, term, target)


def _target(rest: str, term: str) -> Template | None:
    if not rest:
        return None
    if rest[0] != ":":
        raise _malformed(term)
    return macro.read_domain(rest[1:])


def _prefix(digits: str | None, most: int, term: str) -> int:
    if digits is None:
        return most
    if len(digits) > 3 or (digits[0] == "0" and digits != "0") or int(digits) > most:
        raise _malformed(term)
    return int(digits)


def _network(kind: str, rest: str, term: str) -> IPv4Network | IPv6Network:
    address, slash, digits = rest[1:].partition("/")
    most = 32 if kind == "ip4" else 128
    if rest[:1] != ":" or (slash and not (digits.isascii() and digits.isdigit())) or "%" in address:
        raise _malformed(term)
    prefix = _prefix(digits if slash else None, most, term)
    try:
        if kind == "ip4":
            return IPv4Network((address, prefix), strict=False)
        return IPv6Network((address, prefix), strict=False)
    except ValueError:
        raise _malformed(term) from None


def _malformed(term: str) -> Exception:
    return permerror(f"The SPF record holds a malformed term ({macro.printable(term)}).")
