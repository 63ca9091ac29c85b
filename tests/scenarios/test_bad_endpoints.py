"""An endpoint that refuses and one that takes twenty seconds delay nobody else. The long form is `make soak`."""

from __future__ import annotations

import pytest

from tests.scenarios.bad_endpoints import BAD, GOOD, BadEndpoints, platform_for
from tests.scenarios.endpoint_ledger import EndpointLedger
from tests.scenarios.inbound_soak import ZONE
from tests.scenarios.peers import Dns

EACH, PACE = 12, 24.0


@pytest.mark.timeout(180)
@pytest.mark.claim("EMAIL-9")
def test_a_dead_and_a_slow_endpoint_delay_nobody_else() -> None:
    """The other eight have all of their mail, each within seconds: far sooner than the slow one answers once.

    The bound is wide, for a machine that does other things; the long form compares with a run without the two.
    """
    with EndpointLedger() as endpoint, Dns(ZONE) as dns, platform_for(dns, 1) as platform:
        world = BadEndpoints(platform, endpoint)
        world.make_routes()
        for number, bad in enumerate((False, True, True, False)):
            world.round(number, EACH, bad=bad, pace=PACE)
        posts = endpoint.read()
    beside, without = world.found.p99s()
    print(f"p99 {beside * 1000:.0f} ms beside the bad two, {without * 1000:.0f} ms without them")
    assert world.sent == 4 * EACH * len(GOOD) + 2 * EACH * len(BAD)
    assert any(token.startswith("slow-") for token in posts), "the slow one was tried"
    assert not any(token.startswith("dead-") for token in posts)
    assert beside <= max(5.0, 3 * without), (beside, without)
