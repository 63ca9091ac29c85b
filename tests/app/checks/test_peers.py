"""The checks of database and object store: they hold for what is right, and fail for each thing that is not."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.objects.bucket import open_bucket
from mailward.adapters.storage.objects.limits import Limits
from mailward.adapters.storage.objects.place import Place
from mailward.adapters.storage.objects.segments import open_objects
from mailward.adapters.storage.records import Body, seal_record
from mailward.app.backup_options import Backup
from mailward.app.checks import peers
from mailward.app.context import Context
from mailward.app.objects import Objects
from mailward.app.settings import Settings
from mailward.core.evidence.model import Result
from mailward.core.workspaces.model import DataKey, day_of
from tests.adapters.storage.objects.conftest import place_at
from tests.conftest import MovingClock, SeededEntropy

RECIPIENT = "grace.hopper@example.com"


class Transparent:
    """What looks like a cipher and is none."""

    def encrypt(self, nonce: bytes, data: bytes, head: bytes) -> bytes:
        return data + bytes(16)


class Asked:
    """A store that knows one recent recipient, and a table in which plain SQL shows these values."""

    def __init__(self, **tables: list[bytes]) -> None:
        self._tables = tables

    async def system_read(self, verb: Any) -> Any:
        if isinstance(verb, partial):
            return self._tables.get(verb.keywords["table"], [])
        return [RECIPIENT]


@pytest.fixture
def now() -> MovingClock:
    return MovingClock(datetime.now(UTC))


def context_of(place: Place | None, clock: MovingClock) -> Context:
    objects = Objects()
    if place is not None:
        objects = Objects(
            url=place.url, endpoint=place.endpoint, access_key="k", secret_key="s", plaintext=list(place.plaintext)
        )
    return cast("Context", SimpleNamespace(settings=Settings(objects=objects), store=Asked(), clock=clock))


async def put(place: Place, name: str, octets: bytes) -> None:
    await open_bucket(place).create(name, octets, seconds=5)


@pytest.fixture
async def place(s3: int, bucket_name: str, now: MovingClock, entropy: SeededEntropy) -> Place:
    """A bucket with two objects of ours."""
    made = place_at(bucket_name, s3)
    objects = open_objects(made, writer=3, clock=now, entropy=entropy, limits=Limits())
    key = DataKey(20_000, 1, AESGCM(bytes(32)))
    body: Body = (bytes(16), bytes(16), key, f"To: {RECIPIENT}".encode())
    await objects.append([body] * 5)
    await objects.append([body])
    await objects.close()
    return made


async def test_sealed_objects_pass(place: Place, now: MovingClock) -> None:
    """Objects that are sealed records from end to end pass, and how many were seen is said."""
    finding = await peers.nothing_readable_in_the_bucket(context_of(place, now))
    assert finding.result is Result.PASSED
    assert finding.evidence.startswith("6 sealed records in the 2 newest objects")


async def test_something_beside_the_records_fails(place: Place, now: MovingClock, entropy: SeededEntropy) -> None:
    """An object that ends in anything but a record is named, whatever its name is."""
    key = DataKey(20_000, 1, AESGCM(bytes(32)))
    record = seal_record((bytes(16), bytes(16), key, b"c"), entropy)
    name = f"segments/{now.now():%Y%m%d}/notes"
    await put(place, name, record + b"Subject: hello")
    finding = await peers.nothing_readable_in_the_bucket(context_of(place, now))
    assert finding.result is Result.FAILED
    assert name in finding.evidence


async def test_a_readable_recipient_fails(place: Place, now: MovingClock, entropy: SeededEntropy) -> None:
    """Records that only look sealed fail when a recent recipient can be read in them; the address is not repeated."""
    key = DataKey(day_of(now.now()), 1, cast("AESGCM", Transparent()))
    await put(
        place,
        f"segments/{now.now():%Y%m%d}/000001/0000001",
        seal_record((bytes(16), bytes(16), key, f"To: {RECIPIENT}".encode()), entropy),
    )
    finding = await peers.nothing_readable_in_the_bucket(context_of(place, now))
    assert finding.result is Result.FAILED
    assert "recipient" in finding.evidence
    assert RECIPIENT not in finding.evidence


@pytest.mark.parametrize(
    ("tables", "result"),
    [
        ({"messages": [bytes(100), b"\x01\x02"]}, Result.PASSED),
        ({"messages": [b"to " + RECIPIENT.encode()]}, Result.FAILED),
        ({"attempts": [b64encode(b"RCPT TO:<" + RECIPIENT.encode() + b">")]}, Result.FAILED),
    ],
    ids=["sealed", "plain", "base64"],
)
async def test_a_recipient_in_a_row_fails(now: MovingClock, tables: dict[str, list[bytes]], result: Result) -> None:
    """Plain SQL that shows a recent recipient fails with the table's name, which stands for what lies in it."""
    context = context_of(None, now)
    context.settings.storage.kind = "postgres"
    context.store = Asked(**tables)  # type: ignore[misc, assignment]
    finding = await peers.nothing_readable_in_rows(context)
    assert finding.result is result
    assert RECIPIENT not in finding.evidence


async def test_unverified_ways_are_tried(now: MovingClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check passes while refusals work, and fails when either of them lets a plain way through."""
    context = context_of(None, now)
    assert (await peers.parts_are_verified(context)).result is Result.PASSED
    backups = Backup(to="s3://copies", endpoint="https://backup.example", access_key="k", secret_key="s")
    context.settings.backup = backups
    assert "backups: HTTPS, verified" in (await peers.parts_are_verified(context)).evidence
    backups.endpoint = "http://192.0.2.1:9000"
    assert (await peers.parts_are_verified(context)).result is Result.FAILED
    context.settings.backup = Backup()
    with monkeypatch.context() as m:
        m.setattr("mailward.app.checks.peers.check_place", lambda place: place)
        assert (await peers.parts_are_verified(context)).result is Result.FAILED
    with monkeypatch.context() as m:
        m.setattr("mailward.app.checks.peers.Access.tls", lambda self: None)
        assert (await peers.parts_are_verified(context)).result is Result.FAILED
