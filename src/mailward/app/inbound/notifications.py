"""Notifications of SES through SNS: believed only when the topic is ours and Amazon's signature holds.

The order is the defence. A message of a topic that the operator did not name is refused before anything is fetched;
the certificate's address must be Amazon's own in the topic's region; a subscription is confirmed only after its
signature held, at an address that can do nothing else. All fetching goes through the egress guard.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from mailward.adapters.net.egress import GuardedHttp, HttpAnswer, Resolve
from mailward.app.inbound.bounces import Returns, returns_of
from mailward.app.parts import Parts
from mailward.base.errors import Unauthenticated, Unavailable
from mailward.base.sources import Clock
from mailward.core.delivery.report import Taken
from mailward.policy.returned import ses
from mailward.protocol.dns import DnsQuery
from mailward.protocol.reports import sns
from mailward.protocol.reports.sns import Notification

MAX_AGE = timedelta(days=1)
_CERTIFICATES = 8
# A certificate lives for months, so more fetches than these are somebody's play.
_FETCHES_A_MINUTE = 6
_SECONDS = 10.0
_PEM_MAX = 16 * 1024

log = structlog.get_logger()


class Fetch(Protocol):
    """The guarded HTTP client's way to read an address."""

    async def get(self, url: str, *, deadline: float, max_response: int) -> HttpAnswer: ...


class GuardedOnce:
    """A guarded client for one fetch at a time, closed after it: there are a few of them a year."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def get(self, url: str, *, deadline: float, max_response: int) -> HttpAnswer:
        """See `GuardedHttp.get`; https only, and to public addresses only."""
        http = GuardedHttp(self._resolve, allow_http=False)
        try:
            return await http.get(url, deadline=deadline, max_response=max_response)
        finally:
            await http.close()


class SnsNotifications:
    """One a worker. `topics` are the ARNs the operator listens to."""

    def __init__(self, topics: Sequence[str], returns: Returns, http: Fetch, clock: Clock) -> None:
        self._topics = frozenset(topics)
        self._returns = returns
        self._http = http
        self._clock = clock
        self._keys: dict[str, x509.Certificate] = {}
        self._fetched: list[float] = []

    async def take(self, body: bytes) -> None:
        """Settle one notification, or confirm one subscription.

        Raises Unauthenticated for whatever is not surely Amazon's and of our topics, Unavailable when
        the certificate or the store is away or the report came too early: SNS tries again.
        """
        note = sns.read(body)
        if note is None or note.topic not in self._topics or not note.certificate:
            raise _refused()
        await self._verify(note)
        if note.type == sns.CONFIRMATION:
            await self._confirm(note)
        elif note.type == sns.NOTIFICATION and (told := ses.read(note.message)) is not None:
            key = hashlib.sha256(note.message.encode()).hexdigest()[:32]
            if await self._returns.settle_named(told.return_path, told.verdict, key) is Taken.EARLY:
                raise Unavailable("report_early", "The message this is about is still being recorded.")

    async def _verify(self, note: Notification) -> None:
        now = self._clock.now()
        try:
            age = now - datetime.fromisoformat(note.timestamp)
        except (ValueError, TypeError):
            raise _refused() from None
        if not -timedelta(minutes=15) < age < MAX_AGE:
            raise _refused()
        certificate = self._keys.get(note.certificate) or await self._certificate(note.certificate)
        key = certificate.public_key()
        current = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        if not current or not isinstance(key, RSAPublicKey) or key.key_size < 2048:
            raise _refused()
        try:
            key.verify(note.signature, note.signed, padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            raise _refused() from None
        # Only what has proven itself stays, so that nobody pushes the real one out.
        if len(self._keys) >= _CERTIFICATES:
            self._keys.pop(next(iter(self._keys)))
        self._keys[note.certificate] = certificate

    async def _certificate(self, url: str) -> x509.Certificate:
        now = self._clock.monotonic()
        self._fetched = [at for at in self._fetched if now - at < 60]
        if len(self._fetched) >= _FETCHES_A_MINUTE:
            raise Unavailable("certificate_away", "Too many certificates were asked for; please try again later.")
        self._fetched.append(now)
        answer = await self._http.get(url, deadline=_SECONDS, max_response=_PEM_MAX)
        if answer.status != 200:
            raise Unavailable("certificate_away", "The signing certificate cannot be read now.")
        try:
            return x509.load_pem_x509_certificate(answer.body)
        except ValueError:
            raise _refused() from None

    async def _confirm(self, note: Notification) -> None:
        if not note.subscribe:
            raise _refused()
        answer = await self._http.get(note.subscribe, deadline=_SECONDS, max_response=1024)
        log.info("sns_subscription_confirmed", status=answer.status)
        if answer.status != 200:
            raise Unavailable("confirmation_failed", "The subscription could not be confirmed now.")


def _refused() -> Unauthenticated:
    return Unauthenticated(
        "notification_refused", "This is no signed notification of a topic that is listened to here."
    )


def notifications_of(worker: Parts) -> SnsNotifications:
    """Those of one worker, for the topics in its settings."""

    async def addresses(host: str) -> list[str]:
        found = await asyncio.gather(*(worker.resolver.resolve(DnsQuery(host, kind)) for kind in ("A", "AAAA")))
        return [str(address) for answer in found if answer.status == "ok" for address in answer.records]

    topics = worker.settings.feedback.sns_topics
    return SnsNotifications(topics, returns_of(worker), GuardedOnce(addresses), worker.installation.clock)
