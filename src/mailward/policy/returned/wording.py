"""Texts as the tables read them."""

from __future__ import annotations

import re

MAX_TEXT = 4000

# An address says nothing about itself: "spam@", "unknown@" and "full@" are people.
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w.-]{1,255}|\"[^\"\s]{1,64}\"@[\w.-]{1,255}")
_ANGLES = re.compile(r"<[^<>\s]{1,254}@[^<>\s]{1,254}>")
# What a server repeats in front of each line of one reply (RFC 5321 section 4.2.1), after the first.
_REPEATED = re.compile(r"\s[245]\d\d-(?:[245]\.\d{1,3}\.\d{1,3})?\s?")
_SPACE = re.compile(r"\s+")


def normal(text: str) -> str:
    """Lower case, addresses out, one space between words, typographic quotes plain; at most 4,000 characters."""
    text = text[:MAX_TEXT].lower().replace("\u2019", "'").replace("\u00a0", " ")
    text = _REPEATED.sub(" ", text)
    text = _ADDRESS.sub(" ", _ANGLES.sub(" ", text))
    return _SPACE.sub(" ", text).strip()
