"""Challenges: a proof of work made and checked here, a question for people, or an outside service.

A proof is one text: `altcha:<payload>`, `question:<token>:<answer>` or `outside:<token>`.
Each counts once (whoever counts a try with it spends it) and for ten minutes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from mailward.app.sign_in_options import ChallengeSettings
from mailward.base.errors import MailwardError
from mailward.base.sources import Entropy

LIFE = timedelta(minutes=10)
_LONGEST = 4096
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WORK = 60_000
"""The largest number of the proof of work: about a second for a browser, twice that on a telephone."""

Post = Callable[[str, dict[str, str], bytes], Awaitable[tuple[int, bytes]]]
"""Posts a form to a URL through the guarded client: (status, body)."""


@dataclass(frozen=True, slots=True)
class Outside:
    """An outside service: where its script comes from, what it may reach, where answers are checked."""

    script: str
    sources: tuple[str, ...]
    verify: str
    css_class: str
    field: str


OUTSIDE: Final = {
    "recaptcha": Outside(
        "https://www.google.com/recaptcha/api.js",
        ("https://www.google.com", "https://www.gstatic.com"),
        "https://www.google.com/recaptcha/api/siteverify",
        "g-recaptcha",
        "g-recaptcha-response",
    ),
    "hcaptcha": Outside(
        "https://js.hcaptcha.com/1/api.js",
        ("https://hcaptcha.com", "https://*.hcaptcha.com"),
        "https://api.hcaptcha.com/siteverify",
        "h-captcha",
        "h-captcha-response",
    ),
    "turnstile": Outside(
        "https://challenges.cloudflare.com/turnstile/v0/api.js",
        ("https://challenges.cloudflare.com",),
        "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        "cf-turnstile",
        "cf-turnstile-response",
    ),
}


@dataclass(frozen=True, slots=True)
class Solved:
    """A right solution: what is to be spent, and until when that has to be remembered."""

    token: bytes
    expires: datetime


class Challenges:
    """Stateless: what it hands out carries its own MAC. `key` is 32 bytes that every process has."""

    def __init__(self, key: bytes, entropy: Entropy, settings: ChallengeSettings, post: Post | None = None) -> None:
        self._key = key
        self._entropy = entropy
        self.settings = settings
        self._post = post

    @property
    def outside(self) -> Outside | None:
        """The outside service in use."""
        return OUTSIDE.get(self.settings.kind)

    def offer(self, *, now: datetime) -> dict[str, Any]:
        """A proof of work in altcha's form: find the number whose hash with the salt is the challenge."""
        from altcha.v1 import create_challenge

        draw = int.from_bytes(self._entropy.bytes(8), "big")
        made = create_challenge(
            algorithm="SHA-256",
            max_number=WORK,
            salt_length=16,
            hmac_key=self._mac_key("altcha"),
            salt=self._entropy.bytes(16).hex(),
            number=draw % (WORK + 1),
            expires=now + LIFE,
            params=None,
        )
        offered: dict[str, Any] = made.to_dict()
        return offered

    def question(self, *, now: datetime) -> tuple[str, str]:
        """A sum in words, and the token that its answer goes with."""
        a, b, *rest = self._entropy.bytes(14)
        a, b = a % 9 + 1, b % 9 + 1
        until = int((now + LIFE).timestamp())
        nonce = bytes(rest).hex()
        token = f"{until}.{nonce}.{self._answer_mac(until, nonce, a + b)}"
        return token, f"What is {_NUMBERS[a]} plus {_NUMBERS[b]}?"

    async def solved(self, proof: str, source: str, *, now: datetime) -> Solved | None:
        """What a right and timely proof spends; None for any other."""
        if len(proof) > _LONGEST:
            return None
        parts = dict(p.partition(":")[::2] for p in proof.split(" ") if p)
        asked = self.settings.question
        answered = self._answered(parts.get("question", ""), now) if asked != "never" else None
        if asked == "instead" and answered is not None:
            return answered
        if self.outside is not None:
            worked = await self._outside(parts.get("outside", ""), source, now)
        else:
            worked = self.worked(parts.get("altcha", ""), now=now)
        return None if asked == "also" and answered is None else worked

    def worked(self, payload: str, *, now: datetime) -> Solved | None:
        """What the right solution of our own proof of work spends, whichever challenge people are asked at sign-in."""
        if len(payload) > _LONGEST:
            return None
        from altcha.v1 import extract_params, verify_solution

        try:
            given = json.loads(base64.b64decode(payload, validate=True))
            number = int(given["number"])
            until = int(extract_params(given)["expires"][0])
        except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
            return None
        if given.get("algorithm") != "SHA-256" or not 0 <= number <= WORK or type(given["number"]) is not int:
            return None
        # By our clock, not the library's: the same time decides everywhere in the platform.
        if until < now.timestamp() or until > (now + LIFE).timestamp() + 1:
            return None
        good, _ = verify_solution(given, self._mac_key("altcha"), check_expires=False)
        if not good:
            return None
        # Not the salt: it can be spelled in two ways that verify alike, and would be good twice.
        return self._spent(f"altcha {given['challenge']}", until)

    def _answered(self, given: str, now: datetime) -> Solved | None:
        token, _, answer = given.partition(":")
        until_text, _, rest = token.partition(".")
        nonce, _, mac = rest.partition(".")
        answer = answer.strip().lower()
        if not until_text.isascii() or not until_text.isdigit() or len(until_text) > 12 or len(answer) > 20:
            return None
        number = int(answer) if answer.isascii() and answer.isdigit() else _in_words(answer)
        until = int(until_text)
        right = self._answer_mac(until, nonce, number)
        if until < now.timestamp() or not hmac.compare_digest(right.encode(), mac.encode("utf-8", "replace")):
            return None
        return self._spent(f"question {nonce}", until)

    async def _outside(self, token: str, source: str, now: datetime) -> Solved | None:
        service = self.outside
        if not token or service is None or self._post is None:
            return None
        form = urlencode({"secret": self.settings.secret, "response": token, "remoteip": source}).encode()
        try:
            status, body = await self._post(service.verify, {"content-type": "application/x-www-form-urlencoded"}, form)
            good = status == 200 and json.loads(body).get("success") is True
        except (MailwardError, ValueError, AttributeError):
            # A service that is away proves nothing; the question is there for that.
            return None
        return self._spent(f"outside {token}", int((now + LIFE).timestamp())) if good else None

    def _spent(self, what: str, until: int) -> Solved:
        # A second longer than it is taken, so that no rounding lets it through twice.
        return Solved(hashlib.sha256(what.encode()).digest()[:16], datetime.fromtimestamp(until + 1, UTC))

    def _mac_key(self, purpose: str) -> str:
        return hmac.digest(self._key, purpose.encode(), "sha256").hex()

    def _answer_mac(self, until: int, nonce: str, number: int) -> str:
        text = f"{until}.{nonce}.{number}".encode("utf-8", "replace")
        return hmac.digest(self._mac_key("question").encode(), text, "sha256").hex()[:32]


def _in_words(answer: str) -> int:
    words = (*_NUMBERS, "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen")
    return words.index(answer) if answer in words else -1
