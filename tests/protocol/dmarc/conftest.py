"""One message's DMARC judgement as a function of DNS texts, author and identifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mailward.protocol.dmarc.author import Author
from mailward.protocol.dmarc.evaluate import Identifier, Verdict, conclude, discover
from mailward.protocol.dns import Lookup
from tests.protocol.zones import Zone


def judged(author: str, identifiers: Sequence[Identifier]) -> Lookup[Verdict]:
    """Discovery and conclusion, one after the other."""
    discovery = yield from discover(Author(author))
    return (yield from conclude(discovery, identifiers))


def dkim(domain: str, *, certain: bool = True) -> Identifier:
    """A DKIM signing domain that passed, or whose key could not be asked for."""
    return Identifier("dkim", domain, certain)


def spf(domain: str, *, certain: bool = True) -> Identifier:
    """A MAIL FROM domain that passed, or whose policy could not be asked for."""
    return Identifier("spf", domain, certain)


def zone(texts: Mapping[str, str | Sequence[str]], more: Mapping[str, Any] | None = None) -> Zone:
    """`texts` by domain, published below _dmarc; `more` as Zone takes it."""
    made = Zone.texts({f"_dmarc.{name}": text for name, text in texts.items()})
    made.data.update(more or {})
    return made
