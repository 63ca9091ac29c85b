"""A rotation leaves no window without a valid key: signed with real keys, verified by ours and by dkimpy."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from functools import cache
from typing import Any

import dkim  # type: ignore[import-untyped]  # dkimpy has no types
import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.domains.add import add_domain
from mailward.core.domains.keys import fresh_keys
from mailward.core.domains.model import InstallationNames
from mailward.core.domains.read import get_domain, signing_snapshot
from mailward.core.domains.records import required_records
from mailward.core.domains.rotate import rotate
from mailward.core.domains.watch import check_domain
from mailward.core.webhooks.enqueue import tell
from mailward.policy.access import Actor, Permission
from mailward.protocol.dkim import keys as dkim_keys
from mailward.protocol.dkim.sign import Signer, sign
from mailward.protocol.dkim.verify import verify
from mailward.protocol.message.headers import split
from tests.core.domains.dns_answers import Zone

NAMES = InstallationNames("spf.mail.example.net", "bounce.mail.example.net", ("mail.example.net",))
MESSAGE = b"From: a@example.com\r\nTo: b@example.org\r\nSubject: Hello\r\n\r\nBody\r\n"
WS = WorkspaceId(ids.encode("ws", b"a" * 16))
ACTOR = Actor(WS, "cli", "cli", frozenset(Permission))


loaded = cache(dkim_keys.load)  # loading an RSA key checks it, which takes a while


async def signed(store: SqliteStore, now: datetime) -> tuple[bytes, str]:
    """The message with both signatures as a worker would make them now, and the selectors' stem."""
    snapshot = await store.system_read(lambda tx: signing_snapshot(tx, NAMES))
    keys = snapshot.workspaces[b"a" * 16]["example.com"].keys
    signers = [Signer("example.com", key.selector, loaded(key.sealed)) for key in keys]
    parsed = split(MESSAGE)
    return sign(parsed.fields, MESSAGE[parsed.body_offset :], signers, now) + MESSAGE, keys[0].selector[:-1]


def all_pass(zone: Zone, message: bytes, now: datetime) -> bool:
    """True when both signatures verify against what DNS shows."""
    parsed = split(message)
    verdicts = zone.run(verify(parsed.fields, message[parsed.body_offset :], now))
    return [v.result for v in verdicts] == ["pass", "pass"]


def dkimpy_passes(zone: Zone, message: bytes) -> bool:
    """The RSA signature by an implementation no one here wrote (its Ed25519 needs a package of its own)."""

    def txt(name: bytes, timeout: int = 5) -> bytes | None:
        found = zone.data.get((name.decode().rstrip("."), "TXT"))
        return found[0] if found else None

    rsa = next(i for i, (_, raw) in enumerate(split(message).fields) if b"a=rsa-sha256" in raw)
    return bool(dkim.DKIM(message).verify(idx=rsa, dnsfunc=txt))


@pytest.mark.claim("EMAIL-1")
async def test_mail_signed_at_any_time_verifies_for_a_week(store: SqliteStore, clock: Any, entropy: Any) -> None:
    """Day by day through two rotations, all mail of the last seven days verifies; a retired key then does not."""

    async def publish() -> None:
        found, pairs = await store.read(WS, lambda tx: get_domain(tx, ACTOR, domain.id))
        for key in [k for k in zone.data if k[0].endswith("_domainkey.example.com")]:
            del zone.data[key]  # the owner keeps exactly the records we list
        zone.publish(required_records(found, pairs, NAMES))

    async def begin() -> None:
        made = fresh_keys(bytes)
        await store.write(WS, lambda tx: rotate(tx, ACTOR, domain.id, made, now=clock.now(), entropy=entropy))

    zone = Zone()
    first = fresh_keys(bytes)
    domain = await store.write(
        WS, lambda tx: add_domain(tx, ACTOR, "example.com", first, now=clock.now(), entropy=entropy)
    )
    await publish()
    await check_domain(store, zone, ACTOR, domain.id, names=NAMES, now=clock.now(), tell=tell)
    week: deque[bytes] = deque(maxlen=8)
    oldest, stem = await signed(store, clock.now())
    stems = [stem]
    for day in range(40):
        if day in (5, 20):
            await begin()
        if day in (8, 20):  # the owner is slow once and quick once
            await publish()
        for _ in range(2):
            clock.move(hours=12)
            await check_domain(store, zone, ACTOR, domain.id, names=NAMES, now=clock.now(), tell=tell)
            message, stem = await signed(store, clock.now())
            assert all_pass(zone, message, clock.now())
        week.append(message)
        assert all(all_pass(zone, m, clock.now()) for m in week)
        if stem != stems[-1]:
            stems.append(stem)
            assert dkimpy_passes(zone, week[0])
            assert dkimpy_passes(zone, message)
        if day >= 8:
            await publish()
    assert stems == ["mw202603a", "mw202603b", "mw202603c"]
    assert not all_pass(zone, oldest, clock.now())
