"""kill -9 of each role under load, judged by a ledger that is not ours. The long form is `make soak`."""

from __future__ import annotations

import os

import pytest

from tests.scenarios.apart import APART, TOGETHER, Apart
from tests.scenarios.ledger import LedgerSink
from tests.scenarios.soak import Soak, details, table

SEED = int(os.environ.get("MAILWARD_SEED", "7"))


@pytest.mark.timeout(240)
@pytest.mark.claim("AVAIL-1")
@pytest.mark.parametrize("layout", [APART, TOGETHER], ids=["apart", "together"])
def test_no_acknowledged_message_is_lost_when_processes_are_killed(layout: tuple[tuple[str, ...], ...]) -> None:
    """What got its 250 or 202 arrives, whoever is killed; what arrives twice was cut off before its commit."""
    with LedgerSink() as sink, Apart(layout, route=f"127.0.0.1:{sink.port}") as platform:
        round_ = Soak(platform, sink, seed=SEED, relentless=False).run_round(1, 700)
    print("\n".join([f"seed {SEED}", table([round_]), *details(round_)]))
    assert round_.acknowledged >= 700
    assert len(round_.kills) == 5, "a worker of each role, and the sender's supervisor"
    assert not round_.lost
    assert not round_.failures
    assert not [d for d in round_.duplicates if d.fault], details(round_)
