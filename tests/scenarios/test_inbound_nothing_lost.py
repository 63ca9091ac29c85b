"""kill -9 while mail arrives at the MX, judged by the endpoint's own ledger. The long form is `make soak`."""

from __future__ import annotations

import os

import pytest

from tests.scenarios.apart import Apart
from tests.scenarios.endpoint_ledger import EndpointLedger
from tests.scenarios.inbound_soak import (
    LAYOUT,
    SETTINGS,
    ZONE,
    InboundSoak,
    details,
    make_route,
    patient_postfix,
    table,
)
from tests.scenarios.peers import Dns, several

SEED = int(os.environ.get("MAILWARD_SEED", "7"))


@pytest.mark.timeout(240)
@pytest.mark.claim("EMAIL-9")
def test_no_received_message_is_lost_when_processes_are_killed() -> None:
    """What got its 250 reaches the endpoint, whoever is killed; what reaches it twice has a kill that explains it.

    A killed courier's leases take 90 seconds to run out, so it has its turn in the long form.
    """
    with EndpointLedger() as endpoint, Dns(ZONE) as dns:
        platform = Apart(LAYOUT, workers=1, settings=SETTINGS | {"delivery.resolvers": [dns.address]})
        postfix = patient_postfix(platform.mx_port)
        with several(platform, postfix):
            make_route(platform, endpoint.url + "/in")
            soak = InboundSoak(platform, postfix, endpoint, seed=SEED)
            kills = [("mx", "worker"), ("", "committer"), ("mx", "worker"), ("mx", "supervisor and workers")]
            round_ = soak.run_round(1, 300, kills=kills)
    print("\n".join([f"seed {SEED}", table([round_]), *details(round_)]))
    assert round_.acknowledged >= 300
    assert len(round_.kills) == len(kills)
    assert min(round_.by_door[door] for door in ("smtp", "source", "swaks", "postfix")) > 0
    assert not round_.lost
    assert not round_.failures
    assert not [d for d in round_.duplicates if d.fault], details(round_)
