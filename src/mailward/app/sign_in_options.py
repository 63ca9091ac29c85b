"""Settings of what stands before a sign-in."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mailward.app.forms import OneOf, Place, Secret, Text
from mailward.app.identity_providers import ProviderSettings

KINDS = ("altcha", "recaptcha", "hcaptcha", "turnstile")
QUESTIONS = ("instead", "also", "never")
SECOND_FACTOR = ("workspace", "everybody")
HOLD_AT = ("low", "medium", "high", "never")


class Geo(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the operator knows of addresses. Nothing is asked of anybody outside."""

    database: Annotated[str, Place()] = ""
    """An mmdb file with countries, cities or positions (GeoLite2-City, DB-IP City Lite)."""
    networks: Annotated[str, Place()] = ""
    """An mmdb file with autonomous systems (GeoLite2-ASN)."""
    anonymisers: Annotated[str, Place()] = ""
    """A file with networks that hide where people are (Tor exits, VPNs): one in CIDR form a line, # for comments."""


class ChallengeSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is asked of who failed too often."""

    kind: Annotated[str, OneOf(KINDS)] = "altcha"
    """`altcha` (a proof of work, made here), `recaptcha`, `hcaptcha` or `turnstile`."""
    question: Annotated[str, OneOf(QUESTIONS)] = "instead"
    """A question in words: `instead` may be answered in place of it (for browsers without script), `also` has to be
    answered too, `never`."""
    site_key: Annotated[str, Text()] = ""
    secret: Annotated[str, Secret()] = ""
    """Of the outside service. Best by MAILWARD_CHALLENGE__SECRET_FILE."""


class SignInSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Strange sign-ins."""

    hold_at: Annotated[str, OneOf(HOLD_AT)] = "high"
    """From which suspicion on a sign-in waits for the link in the letter: `low`, `medium`, `high` or `never`."""
    second_factor: Annotated[str, OneOf(SECOND_FACTOR)] = "workspace"
    """Who needs a second factor: `everybody`, or (`workspace`) whoever's workspace says so. Operators always do."""
    provider: list[ProviderSettings] = msgspec.field(default_factory=list)
    """Other providers people may sign in with; see `app/identity_providers.py`."""


class PasswordSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Passwords that are known to others."""

    breached_file: Annotated[str, Place()] = ""
    """SHA-1 hashes in order, a line each, with or without `:count` behind (the form of Have I Been Pwned)."""


def check_sign_in(challenge: ChallengeSettings, sign_in: SignInSettings) -> str:
    """What is wrong with them; "" when nothing is."""
    if challenge.kind not in KINDS:
        return f"challenge.kind: one of {', '.join(KINDS)}"
    if challenge.question not in QUESTIONS:
        return f"challenge.question: one of {', '.join(QUESTIONS)}"
    if challenge.kind != "altcha" and not (challenge.site_key and challenge.secret):
        return f"challenge: {challenge.kind} needs site_key and secret"
    if sign_in.hold_at not in HOLD_AT:
        return f"sign_in.hold_at: one of {', '.join(HOLD_AT)}"
    if sign_in.second_factor not in SECOND_FACTOR:
        return f"sign_in.second_factor: one of {', '.join(SECOND_FACTOR)}"
    return ""
