"""The courier as delivery knows it: shipments in, what was brought back out, over the SMTP pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mailward.adapters.net.connection import LARGE
from mailward.adapters.net.courier import CourierJob, CourierResult, SmtpCourier
from mailward.base.outcome import PermFail, TempFail
from mailward.core.delivery.attempt import Delivered, Shipment
from mailward.core.delivery.form import Form, SevenBit
from mailward.policy.tls import TlsFacts, TlsPolicy
from mailward.protocol.smtp.client_mail import Dsn, WireContent, wire_content


class Carriage:
    """Implements `core.delivery.attempt.Courier`."""

    def __init__(self, courier: SmtpCourier, *, helo: str, sources: tuple[str, ...]) -> None:
        self._courier = courier
        self._helo = helo
        self._sources = [s for s in sources if ":" not in s]
        self._sources6 = [s for s in sources if ":" in s]

    async def deliver(self, shipment: Shipment) -> Delivered:
        """One SMTP transaction; a shipment that cannot be put on the wire fails for good."""
        route, facts = shipment.route, shipment.facts
        refused = PermFail("content_rejected", "The message cannot be written to SMTP as it is.")
        content: tuple[bytes, ...] | WireContent = shipment.content
        if sum(map(len, shipment.content)) > LARGE:
            try:
                content = await asyncio.to_thread(wire_content, shipment.content)
            except ValueError:
                return Delivered([refused] * len(shipment.recipients), "", "", route.why, {}, [], 0)
        job = CourierJob(
            route_key=route.key,
            hosts=route.hosts,
            tls_policy=TlsPolicy(route.policy),
            helo=self._helo,
            mail_from=shipment.mail_from,
            recipients=shipment.recipients,
            content=content,
            # The envelope of this transaction (RFC 6531 section 3.2): other copies may go elsewhere. The sender as it
            # goes out is mostly a return-path of ours, and then what it was does not matter.
            smtputf8=facts.smtputf8
            or not shipment.mail_from.isascii()
            or any(not r.isascii() for r in shipment.recipients),
            eight_bit=facts.eight_bit,
            dsn=_dsn(shipment),
            requiretls=facts.requiretls,
            source=_one_of(self._sources, route.key),
            source6=_one_of(self._sources6, route.key),
            seven_bit=_wired(shipment.seven_bit) if shipment.seven_bit is not None else None,
        )
        try:
            future: asyncio.Future[CourierResult] = self._courier.start(job)
        except ValueError:
            return Delivered([refused] * len(shipment.recipients), "", "", route.why, {}, [], 0)
        result = await future
        return _delivered(route.why, result)


def _delivered(why: str, result: CourierResult) -> Delivered:
    return Delivered(
        result.outcomes,
        result.host,
        result.ip,
        f"{why} {result.why}".strip(),
        _tls(result.tls) if result.tls is not None else {},
        list(result.dialogue),
        result.elapsed_ms,
        result.rewritten,
        [_delivered(why, one) for one in result.each],
    )


def _one_of(sources: list[str], key: str) -> str:
    """Always the same source for a destination, so that it learns to know us; "" when none is set."""
    return sources[sum(key.encode()) % len(sources)] if sources else ""


def _wired(seven_bit: SevenBit) -> Callable[[], WireContent | PermFail | TempFail]:
    """The 7-bit form as it goes over the wire; made once."""
    wired: WireContent | PermFail | TempFail | None = None

    def form() -> WireContent | PermFail | TempFail:
        nonlocal wired
        if wired is None:
            made = seven_bit()
            wired = wire_content(made.content)._replace(rewritten=made.rewritten) if isinstance(made, Form) else made
        return wired

    return form


def _tls(facts: TlsFacts) -> dict[str, str]:
    shown = {"version": facts.version, "cipher": facts.cipher, "verified": "yes" if facts.verified else "no"}
    if facts.subject:
        shown["subject"] = facts.subject
    if facts.names:
        shown["names"] = " ".join(facts.names[:20])
    if facts.reason:
        shown["reason"] = facts.reason
    return shown


def _dsn(shipment: Shipment) -> Dsn | None:
    facts = shipment.facts
    if not (facts.ret or facts.envid or any(shipment.dsn)):
        return None
    notify, orcpt = [], []
    for text in shipment.dsn:
        first, _, second = (text or "").partition(" ")
        # Kept as "NOTIFY ORCPT"; either may be missing, and only ORCPT holds semicolons, and perhaps spaces.
        if ";" in first:
            first, second = "", text or ""
        notify.append(first)
        orcpt.append(second)
    return Dsn(facts.ret, facts.envid, tuple(notify), tuple(orcpt))
