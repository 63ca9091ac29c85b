"""A certificate, and how the ordering of the next one stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

RETRY_FIRST, RETRY_LONGEST = timedelta(minutes=1), timedelta(hours=6)


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One that was issued. `sealed` is chain and key, sealed with a key of the installation."""

    serial: str
    """Hexadecimal, as browsers show it."""
    names: tuple[str, ...]
    issued: datetime
    """Begin of its validity."""
    expires: datetime
    sealed: bytes = b""

    def covers(self, names: Sequence[str]) -> bool:
        """Is it for all of these?"""
        return set(names) <= set(self.names)


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the next order waits for. Times in microseconds UTC, 0 for none."""

    renew: int = 0
    """When the authority wants the certificate renewed (RFC 9773), where it says so."""
    renew_serial: str = ""
    """The certificate that `renew` speaks of."""
    ask: int = 0
    """When to ask it again."""
    failures: int = 0
    """Orders that failed since the last that did not."""
    retry: int = 0
    """Not before this."""
    error: str = ""
    """Why the last one failed."""
    failed: int = 0


def when(certificate: Certificate, standing: Standing, spread: float) -> datetime:
    """When to renew: as the authority wishes, else after two thirds of its life.

    `spread` from 0 to 1 moves the latter by up to a twentieth of the life, so that not
    everybody who began in the same minute comes back in the same minute.
    """
    life = certificate.expires - certificate.issued
    ours = certificate.issued + life * (2 / 3) - life * (spread / 20)
    if standing.renew and standing.renew_serial == certificate.serial:
        wished = datetime.fromtimestamp(standing.renew / 1e6, certificate.expires.tzinfo)
        # An authority may ask for less time, as before a mass revocation; not for one that ends in the last twentieth.
        return min(wished, certificate.expires - life / 20)
    return ours


def pause(failures: int, spread: float) -> timedelta:
    """How long after that many failures in a row: doubling from a minute to six hours, up to a quarter less."""
    full: timedelta = min(RETRY_FIRST * int(2 ** min(failures - 1, 20)), RETRY_LONGEST)
    return full * (1 - spread / 4)
