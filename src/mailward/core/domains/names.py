"""One spelling for each domain name, and the refusal of names nobody can own."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

from mailward.base.errors import Invalid
from mailward.core.domains.model import CAPTURE_DOMAIN

MAX_NAME = 253 - len("mw202612zzr._domainkey.")  # room for the longest name we ask to publish below it


def canonical(text: str) -> str:
    """A-labels, lower case, no final dot (RFC 5890 section 2.3.2.1). Invalid for anything no one can send from."""
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as e:
            raise _invalid("This is not a domain name.") from e
    labels = name.split(".")
    if len(labels) < 2:
        raise _invalid("A domain name has at least two parts, as example.com has.")
    if len(name) > MAX_NAME:
        raise _invalid(f"A domain name can have up to {MAX_NAME} characters.")
    for label in labels:
        _check_label(label)
    if labels[-1].isdigit():
        raise _invalid("An IP address is not a domain name.")
    if not suffixes().privatesuffix(name):
        raise _invalid(f"{name} is a public suffix: many parties register names below it, and none owns it.")
    if name == CAPTURE_DOMAIN or name.endswith("." + CAPTURE_DOMAIN):
        raise _invalid(f"{CAPTURE_DOMAIN} is reserved for capture mode.")
    return name


def canonical_set(texts: Iterable[str], *, field: str = "domains") -> frozenset[str]:
    """What a credential is to be bound to; the capture domain is taken, too. Invalid names the first that is none."""
    found: set[str] = set()
    for i, text in enumerate(texts):
        name = text.strip().lower().removesuffix(".")
        if name != CAPTURE_DOMAIN:
            try:
                name = canonical(name)
            except Invalid as error:
                raise Invalid(error.code, error.public, field=f"{field}/{i}") from None
        found.add(name)
    return frozenset(found)


def _check_label(label: str) -> None:
    letters = label.replace("-", "")
    if not 0 < len(label) <= 63 or label[0] == "-" or label[-1] == "-" or not (letters.isascii() and letters.isalnum()):
        raise _invalid("Each part of a domain name has 1 to 63 letters, digits or inner hyphens.")
    if label.startswith("xn--"):
        try:
            idna.ulabel(label)
        except (idna.IDNAError, UnicodeError) as e:
            raise _invalid("A part of this name starts with xn-- and is not a valid internationalised label.") from e


@cache
def suffixes() -> PublicSuffixList:
    """The public suffix list shipped with its package; unknown top levels count as suffixes."""
    return PublicSuffixList(accept_unknown=True)


def _invalid(sentence: str) -> Invalid:
    return Invalid("invalid_domain", sentence, field="name")
