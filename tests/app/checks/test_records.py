"""EMAIL-1 and EMAIL-2 on a workspace with a domain of its own, in a DNS that says what the test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from mailward.adapters.host.clock import SystemClock
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app import signing
from mailward.app.checks import email, isolation
from mailward.app.context import Context, cli_actor
from mailward.app.installation import Installation
from mailward.app.naming import installation_names
from mailward.app.settings import Delivery, Server, Settings
from mailward.app.signing import make_keys
from mailward.base import ids
from mailward.core.domains.add import add_domain
from mailward.core.domains.read import get_domain
from mailward.core.domains.records import installation_records, required_records
from mailward.core.domains.watch import check_domain
from mailward.core.evidence.model import Result
from mailward.protocol.dkim import keys as dkim_keys
from mailward.protocol.dkim import sign as dkim
from tests.core.domains.dns_answers import Zone


class Dns:
    """A zone as the resolver the checks ask."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    async def drive(self, lookup: Any, *, fresh: bool = False) -> Any:
        return self.zone.run(lookup)


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    """A workspace with a verified domain, whose records are published."""
    settings = Settings(
        server=Server(data=str(tmp_path), hostname="mail.example.net"), delivery=Delivery(sources=["192.0.2.7"])
    )
    installation = Installation(settings, worker=0)
    SqliteStore.prepare(tmp_path, installation.vault.database_key(), SystemClock())
    await installation.open()
    workspace = ids.WorkspaceId(ids.new("ws", installation.clock.now(), installation.entropy))
    made = Context(installation, cli_actor(workspace))
    names, now = installation_names(settings), made.clock.now()
    keys = make_keys(installation.vault, workspace)
    domain = await made.store.write(
        workspace, lambda tx: add_domain(tx, made.actor, "example.com", keys, now=now, entropy=made.entropy)
    )
    _, pairs = await made.store.read(workspace, lambda tx: get_domain(tx, made.actor, domain.id))
    zone = Zone()
    zone.publish(required_records(domain, pairs, names))
    zone.publish(r for r in installation_records(names) if r.type == "TXT")
    made.__dict__["resolver"] = Dns(zone)

    async def tell(tx: Any, happened: Any) -> None:
        return None

    await check_domain(made.store, made.resolver, made.actor, domain.id, names=names, now=now, tell=tell)
    yield made
    await installation.close()


def _zone(context: Context) -> Zone:
    return cast(Dns, context.resolver).zone


@pytest.mark.claim("EMAIL-2")
async def test_records_that_are_there_pass(context: Context) -> None:
    """Looked up lately, and shown now."""
    assert (await email.records_are_in_dns(context)).result is Result.PASSED
    found = await email.dns_says_so_now(context)
    assert (found.result, "covers all 1" in found.evidence) == (Result.PASSED, True)


@pytest.mark.claim("EMAIL-2")
@pytest.mark.parametrize(("name", "words"), [("_mailward.", "token"), ("_domainkey", "token"), ("spf.", "SPF")])
async def test_a_record_that_went_away_fails(context: Context, name: str, words: str) -> None:
    """The token, a key, or our own SPF host: gone is seen at once, not at the next round of the watch."""
    zone = _zone(context)
    for key in [k for k in zone.data if name in k[0]]:
        del zone.data[key]
    found = await email.dns_says_so_now(context)
    assert (found.result, words in found.evidence) == (Result.FAILED, True)


async def test_a_silent_dns_proves_nothing(context: Context) -> None:
    """No answer is neither good nor bad."""
    zone = _zone(context)
    zone.data = dict.fromkeys(zone.data, "servfail")
    assert (await email.dns_says_so_now(context)).result is Result.NOT_CONFIGURED


@pytest.mark.claim("EMAIL-1")
async def test_signing_switched_off_fails(context: Context) -> None:
    """What leaves unsigned is not what we promise."""
    assert (await email.what_left_was_signed(context)).result is Result.PASSED
    context.settings.delivery.sign = False
    assert (await email.what_left_was_signed(context)).result is Result.FAILED


_KEPT = tuple(name for name in dkim.OVERSIGNED if name not in (b"from", b"subject"))


def _lists(monkeypatch: pytest.MonkeyPatch, guarded: tuple[bytes, ...], others: tuple[bytes, ...]) -> None:
    """The signer covers these names from now on."""
    monkeypatch.setattr(dkim, "OVERSIGNED", guarded)
    monkeypatch.setattr(dkim, "SIGNED", others)
    monkeypatch.setattr(dkim, "_RANK", {name: rank for rank, name in enumerate(guarded + others)})
    monkeypatch.setattr(dkim, "_OVERSIGNED_COUNT", len(guarded))
    monkeypatch.setattr(dkim, "_names", dkim._names.__wrapped__)


async def _signs(context: Context) -> tuple[Result, str]:
    found = await email.both_signatures_hold(context)
    return found.result, found.evidence


@pytest.mark.claim("EMAIL-1")
async def test_a_signature_that_covers_too_little_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """From or Subject not signed, signed but not guarded against a second one, and each guarded name let go."""
    assert await _signs(context) == (
        Result.PASSED,
        "1 domains sign with RSA-2048 and Ed25519, and both verify; no l=; a second one of 15 fields breaks them, as "
        "did 68 forgeries",
    )
    with monkeypatch.context() as patched:
        _lists(patched, _KEPT, dkim.SIGNED)
        assert (await _signs(context))[0] is Result.FAILED
    with monkeypatch.context() as patched:
        _lists(patched, _KEPT, (b"from", b"subject", *dkim.SIGNED))
        result, evidence = await _signs(context)
        assert (result, "a second From, Subject would not" in evidence) == (Result.FAILED, True)
    for name in dkim.OVERSIGNED:
        with monkeypatch.context() as patched:
            _lists(patched, tuple(n for n in dkim.OVERSIGNED if n != name), dkim.SIGNED)
            assert (await _signs(context))[0] is Result.FAILED, name


@pytest.mark.claim("EMAIL-1")
async def test_a_signature_of_another_making_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """With l=, over an empty body, one alone, one twice, and one by a key that is not the published one."""
    real = dkim.sign
    stranger = dkim_keys.load(dkim_keys.generate("rsa-sha256")[0])

    def length(fields: Any, body: bytes, signers: Any, now: Any) -> bytes:
        made = dkim.prepare(fields, body, signers, now)
        named = [u._replace(data=_l(u.data), start=_l(u.start)) for u in made]
        return b"".join(u.field(u.key.sign(u.data)) for u in named)

    def _l(text: bytes) -> bytes:
        return text.replace(b"v=1;", b"v=1; l=4;")

    for wrong in (
        length,
        lambda fields, body, signers, now: real(fields, b"", signers, now),
        lambda fields, body, signers, now: real(fields, body, signers[:1], now),
        lambda fields, body, signers, now: real(fields, body, (signers[0], signers[0]), now),
        lambda fields, body, signers, now: real(fields, body, [s._replace(key=stranger) for s in signers], now),
        lambda fields, body, signers, now: real(fields, body, [s._replace(domain="example.net") for s in signers], now),
        lambda fields, body, signers, now: b"",
    ):
        with monkeypatch.context() as patched:
            patched.setattr(signing, "dkim_sign", wrong)
            assert (await _signs(context))[0] is Result.FAILED


@pytest.mark.claim("AUTHZ-2")
async def test_a_wall_with_a_hole_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were domains found by their id alone, whoever asks, the check would see it."""
    found = await isolation.another_workspace_finds_nothing(context)
    assert (found.result, "1 domains" in found.evidence) == (Result.PASSED, True)
    real = isolation._found

    async def careless(tx: Any, held: dict[str, list[str]]) -> list[str]:
        return (await real(tx, held)) or held["domains"]

    monkeypatch.setattr(isolation, "_found", careless)
    assert (await isolation.another_workspace_finds_nothing(context)).result is Result.FAILED
