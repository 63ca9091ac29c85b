"""The disk fills up, a sync fails, the database goes away: no acknowledged message is lost, and clients are told."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.apart import TOGETHER, Apart
from tests.scenarios.ledger import LedgerSink
from tests.scenarios.peers import tool, wait_until
from tests.scenarios.room import small_room
from tests.scenarios.traffic import RECIPIENT, ApiSender, Dialogue, Sender, SmtpSender

SHIM = Path(__file__).with_name("fsync_fails.c")


@contextlib.contextmanager
def traffic(platform: Apart, name: str, *, size: int = 0) -> Iterator[list[Sender]]:
    """SMTP and API senders until the block ends; then each is asked to stop and waited for."""
    senders: list[Sender] = [
        *(SmtpSender(f"smtp-{name}-{i}", platform.private_port, 100_000, size=size) for i in range(2)),
        *(ApiSender(f"api-{name}-{i}", platform.http_port, platform.send_key, 100_000) for i in range(2)),
    ]
    for sender in senders:
        sender.start()
    try:
        yield senders
    finally:
        for sender in senders:
            sender.stopped.set()
        for sender in senders:
            sender.join(60)
    assert not [s.failure for s in senders if s.failure]


def progress(senders: list[Sender], seconds: float = 30) -> None:
    """Wait until each sender has had a message accepted from now on."""
    before = [len(s.acknowledged) for s in senders]
    wait_until(
        lambda: all(len(s.acknowledged) > n for s, n in zip(senders, before, strict=True)), "accepted mail", seconds
    )


def all_arrived(sink: LedgerSink, senders: list[Sender]) -> None:
    """Everything that was acknowledged is in the ledger."""
    wanted = {entry for s in senders for entry in s.acknowledged}
    wait_until(lambda: wanted <= sink.read().keys(), "all that was acknowledged", 60, 0.2)


def events(platform: Apart, name: str) -> list[dict[str, object]]:
    """Log lines with this event."""
    lines = [line for line in platform.log.splitlines() if f'"{name}"' in line and line.startswith("{")]
    return [line for line in map(json.loads, lines) if line.get("event") == name]


@pytest.mark.timeout(180)
def test_a_full_disk_refuses_for_now_and_goes_on_by_itself() -> None:
    """4xx and 503 that say why while there is no room; nothing acknowledged is lost; no process has to be restarted."""
    with (
        LedgerSink() as sink,
        small_room(240) as room,
        Apart(TOGETHER, route=f"127.0.0.1:{sink.port}", data=room.data) as platform,
    ):
        workers = platform.children("web")
        # Large messages: the open segment fills too, and a new one cannot be made.
        with traffic(platform, "full", size=400_000) as senders:
            progress(senders)
            room.fill(platform)
            wait_until(lambda: all(s.refusals for s in senders), "every client to be refused", 60)
            status, body = platform.probe("web", "/readyz")
            room.free(platform)
            progress(senders)
        said = {text for s in senders for text in s.refusals}
        for text in said:
            assert text.startswith(("451 4.", "503 storage_")), said
            assert "try again later" in text, said
        assert status in (200, 503)
        assert b'"disk"' in body
        all_arrived(sink, senders)
        assert platform.children("web") == workers
        assert not events(platform, "worker_died")
        wait_until(lambda: platform.ready("web"), "readiness to come back", 20)


@pytest.mark.timeout(180)
def test_a_failed_sync_ends_the_process_and_loses_nothing(tmp_path: Path) -> None:
    """After EIO from a sync nobody may believe what was written: the process ends, its successor reads the disk."""
    shim, fault = tmp_path / "fsync_fails.so", tmp_path / "fault"
    subprocess.run([tool("gcc"), "-shared", "-fPIC", "-O1", "-o", str(shim), str(SHIM), "-ldl"], check=True)
    environment = {"LD_PRELOAD": str(shim), "MW_FAULT": str(fault)}
    with (
        LedgerSink() as sink,
        Apart(TOGETHER, route=f"127.0.0.1:{sink.port}", environment=environment) as platform,
    ):
        with traffic(platform, "sync") as senders:
            _fail_each(platform, senders, fault)
        died = events(platform, "worker_died") + events(platform, "committer_died")
        assert [d["code"] for d in died] == [74, 74, 74]
        all_arrived(sink, senders)


def _fail_each(platform: Apart, senders: list[Sender], fault: Path) -> None:
    """A failed sync of a segment, of a commit, and of a checkpoint, each under traffic that goes on afterwards."""
    for n, file in enumerate(("/segments/", "/state.db-wal$", "/state.db$"), start=1):
        progress(senders)
        fault.with_suffix(".new").write_text(file)
        fault.with_suffix(".new").rename(fault)
        # Who made checkpoints may be the one that just died: another takes that over when its turn is up.
        wait_until(lambda: not fault.exists(), f"a sync of {file} to fail", 60, 0.01)
        wait_until(lambda n=n: len(events(platform, "fatal_storage")) >= n, "the process to end", 20)  # type: ignore[misc]
        progress(senders)


@pytest.fixture(scope="module")
def sink() -> Iterator[LedgerSink]:
    with LedgerSink() as running:
        yield running


@pytest.fixture(scope="module")
def platform(sink: LedgerSink) -> Iterator[Apart]:
    with Apart(TOGETHER, route=f"127.0.0.1:{sink.port}") as running:
        yield running


def test_a_locked_store_makes_clients_wait(platform: Apart, sink: LedgerSink) -> None:
    """Somebody else holds the store's lock for a second and a half: the answer takes as long, and is a 250."""
    platform.api("GET", "/v1/messages")
    lock = os.open(platform.data / "state.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    threading.Timer(1.5, os.close, (lock,)).start()
    began = time.monotonic()
    client = Dialogue(platform.private_port)
    client.say("EHLO probe.test")
    assert client.send("locked")[0] == 250
    client.close()
    assert time.monotonic() - began > 1.0
    wait_until(lambda: ("locked", RECIPIENT) in sink.read(), "the message", 10)


@pytest.mark.timeout(120)
def test_a_database_replaced_by_garbage_is_said_and_survived(platform: Apart, sink: LedgerSink) -> None:
    """Replaced under traffic: nothing is acknowledged into a file without a name; the worker ends, says why it cannot
    start, is tried more and more rarely, and goes on when the file is back."""
    with traffic(platform, "replaced") as senders:
        progress(senders)
        _replace_for_a_while(platform)
        progress(senders, 60)
    all_arrived(sink, senders)


def _replace_for_a_while(platform: Apart) -> None:
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        shutil.move(platform.data / name, platform.data / f"{name}.aside")
    (platform.data / "state.db").write_bytes(os.urandom(8192))
    wait_until(lambda: len(events(platform, "store_replaced")) >= 1, "the worker to notice", 20)

    def pauses() -> list[float]:
        return [float(str(e["restart_in"])) for e in events(platform, "worker_died") if e["code"] == 78]

    wait_until(lambda: len(pauses()) >= 3, "three attempts to start", 60)
    # The one that noticed may have been steady before, or not; those that cannot start wait twice as long each time.
    first, second, third = pauses()[:3]
    assert (first, second, third) in ((0.25, 0.5, 1.0), (0.5, 1.0, 2.0))
    said = events(platform, "worker_cannot_start")[-1]
    assert "state.db" in str(said["detail"])
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (platform.data / name).unlink(missing_ok=True)
        shutil.move(platform.data / f"{name}.aside", platform.data / name)
    platform.await_part("web")
