"""The verbs around an order: one node begins it, and it ends in a certificate or in a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from mailward.core.certificates.model import Certificate, Standing, pause
from mailward.core.certificates.ports import CertificatesTx
from mailward.policy.access import Actor

ORDER, STANDING, ACCOUNT, TOKEN = "order", "standing", "account", "token/"
LEASE = timedelta(minutes=10)
"""Longer than any order is given; a node that died in one keeps the others waiting for this long."""
# An expired certificate is kept to answer "which one was served then?".
_KEPT = timedelta(days=180)
_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_MAX_ERROR = 400

_standing = msgspec.json.Decoder(Standing)


async def standing(tx: CertificatesTx) -> Standing:
    """How the ordering stands."""
    found = await tx.certificates.note(STANDING)
    return _standing.decode(found) if found else Standing()


async def keep_standing(tx: CertificatesTx, value: Standing) -> None:
    """Remember it."""
    await tx.certificates.put_note(STANDING, msgspec.json.encode(value), _EVER)


async def begin(tx: CertificatesTx, holder: bytes, *, now: datetime) -> bool:
    """Take the order in hand; False when another node has it."""
    return await tx.certificates.take(ORDER, holder, now, now + LEASE)


async def settle(tx: CertificatesTx, actor: Actor, made: Certificate, *, now: datetime) -> None:
    """The order ended well: keep the certificate, forget failures, let go."""
    await tx.certificates.add(made)
    await keep_standing(tx, Standing())
    await tx.certificates.forget(now - _KEPT)
    await tx.certificates.drop_note(ORDER)
    facts = {"names": " ".join(made.names), "expires": made.expires.isoformat()}
    await tx.audit.append(actor, "certificate.issued", made.serial, facts, now=now)


async def fail(tx: CertificatesTx, actor: Actor, why: str, *, now: datetime, spread: float) -> Standing:
    """It did not: remember why and when to try again, let go."""
    before = await standing(tx)
    failures = before.failures + 1
    after = msgspec.structs.replace(
        before,
        failures=failures,
        retry=_us(now + pause(failures, spread)),
        error=why[:_MAX_ERROR],
        failed=_us(now),
    )
    await keep_standing(tx, after)
    await tx.certificates.drop_note(ORDER)
    await tx.audit.append(actor, "certificate.failed", "acme", {"failures": str(failures)}, now=now)
    return after


async def keep_account(tx: CertificatesTx, sealed: bytes) -> None:
    """The key of the account at an authority, sealed, for as long as the installation lives."""
    await tx.certificates.put_note(ACCOUNT, sealed, _EVER)


async def show_tokens(tx: CertificatesTx, answers: dict[str, str], *, now: datetime) -> None:
    """What every node answers to http-01 challenges while the order is under way (RFC 8555 section 8.3)."""
    for token, answer in answers.items():
        await tx.certificates.put_note(TOKEN + token, answer.encode(), now + LEASE)


async def hide_tokens(tx: CertificatesTx, tokens: list[str]) -> None:
    """And no longer."""
    for token in tokens:
        await tx.certificates.drop_note(TOKEN + token)


def _us(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
