"""A worker, and the committing process, that neither go on nor end: they are replaced, and nothing is lost."""

from __future__ import annotations

import os
import signal

import pytest

from tests.scenarios.apart import TOGETHER, Apart
from tests.scenarios.ledger import LedgerSink
from tests.scenarios.peers import wait_until
from tests.scenarios.test_disk_failures import all_arrived, events, progress, traffic


@pytest.mark.timeout(180)
def test_what_hangs_is_replaced_and_nothing_is_lost() -> None:
    """Stopped under traffic, each is killed once it gave no sign for the set time, and its successor goes on."""
    with (
        LedgerSink() as sink,
        Apart(TOGETHER, route=f"127.0.0.1:{sink.port}", settings={"server.hung_seconds": 3}) as platform,
    ):
        with traffic(platform, "hanging") as senders:
            progress(senders)
            committer = platform.committer("web")
            worker = next(pid for pid in platform.children("web") if pid != committer)
            for pid, event in ((worker, "worker_hung"), (committer, "committer_hung")):
                os.kill(pid, signal.SIGSTOP)
                wait_until(lambda event=event: bool(events(platform, event)), event, 30)  # type: ignore[misc]
                progress(senders, 60)
            assert [e["pid"] for e in events(platform, "worker_hung")] == [worker]
            assert [e["pid"] for e in events(platform, "committer_hung")] == [committer]
        all_arrived(sink, senders)
