"""One dead and one slow endpoint among ten: what the other eight feel of it.

`python -m tests.scenarios.bad_endpoints` (part of `make soak`) sends 10,000 messages in
rounds that alternate in one run: with the bad two, and without them. The eight get the
same mail at the same pace in both; a message's latency is from the sender's first word
to its arrival in the endpoint's ledger. Exit code 1 when one of the eight misses a
message, or when their p99 beside the bad two is more than 20 % above that without them.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.scenarios.endpoint_ledger import EndpointLedger
from tests.scenarios.inbound_soak import DOMAIN, SENDER, SETTINGS, ZONE, known
from tests.scenarios.peers import Dns, PeerFailed, free_port, wait_until
from tests.scenarios.platform import Platform
from tests.scenarios.traffic import Dialogue

GOOD = tuple(f"good{n}" for n in range(8))
BAD = ("dead", "slow")
BOUND = 1.2


@dataclass
class Latencies:
    """Seconds by message, of the eight alone, with and without the bad two beside them."""

    beside: list[float] = field(default_factory=list)
    without: list[float] = field(default_factory=list)

    def p99s(self) -> tuple[float, float]:
        """(beside the bad two, without them), seconds."""
        return p99(self.beside), p99(self.without)


def p99(values: Sequence[float]) -> float:
    """The 99th percentile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


class BadEndpoints:
    """A platform with ten routes, and the endpoint that keeps the ledger."""

    def __init__(self, platform: Platform, endpoint: EndpointLedger) -> None:
        self._platform, self._endpoint = platform, endpoint
        self._bad: list[str] = []
        self.found = Latencies()
        self.sent = 0

    def make_routes(self) -> None:
        """Eight that answer, one where nobody listens, one that takes twenty seconds."""
        urls = {name: f"{self._endpoint.url}/{name}" for name in GOOD}
        urls |= {"dead": f"http://127.0.0.1:{free_port()}/dead", "slow": f"{self._endpoint.url}/slow"}
        for name, url in urls.items():
            status, said = self._platform.api(
                "POST", "/v1/routes", {"domain": DOMAIN, "kind": "exact", "pattern": name, "url": url}
            )
            if status != 201:
                raise PeerFailed(f"making a route: {status} {said}")
            if name in BAD:
                self._bad.append(said["id"])
        port = self._platform.mx_port
        wait_until(lambda: all(known(port, f"slow@{DOMAIN}") for _ in range(8)), "the routes to be known", 15)

    def _switch(self, on: bool) -> None:
        """The bad two are there or not; turning a route off ends what waits for it, so that it weighs on nobody."""
        for route in self._bad:
            status, said = self._platform.api("PATCH", f"/v1/routes/{route}", {"enabled": on})
            if status != 200:
                raise PeerFailed(f"turning a route {'on' if on else 'off'}: {status} {said}")
        port, names = self._platform.mx_port, [f"{name}@{DOMAIN}" for name in BAD]
        wait_until(lambda: all(known(port, name) == on for _ in range(6) for name in names), "the change", 15)

    def round(self, number: int, each: int, *, bad: bool, pace: float) -> None:
        """`each` messages for every route, `pace` a second for the eight together, then wait for theirs."""
        self._switch(bad)
        names = [*GOOD, *BAD] if bad else list(GOOD)
        began: dict[str, float] = {}
        failures: list[str] = []

        def send(name: str) -> None:
            dialogue = Dialogue(self._platform.mx_port)
            try:
                dialogue.say("EHLO sender.test")
                start = time.monotonic()
                for n in range(each):
                    time.sleep(max(0.0, start + n * len(GOOD) / pace - time.monotonic()))
                    token = f"{name}-{number}-{n}"
                    began[token] = time.time()
                    answer = dialogue.send(token, 2000, sender=SENDER, recipient=f"{name}@{DOMAIN}")
                    if answer[0] != 250:
                        raise PeerFailed(f"{token}: {answer}")
            except (OSError, PeerFailed) as e:
                failures.append(f"{name}: {e}")
            finally:
                dialogue.close()

        threads = [threading.Thread(target=send, args=(name,), daemon=True) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise PeerFailed("; ".join(failures))
        self.sent += len(began)
        good = {token for token in began if not token.startswith(BAD)}
        wait_until(lambda: good <= self._endpoint.read().keys(), "the mail of the eight", 60, 0.2)
        posts = self._endpoint.read()
        into = self.found.beside if bad else self.found.without
        into += [posts[token][0].at - began[token] for token in good]


def platform_for(dns: Dns, workers: int) -> Platform:
    """One that takes a load from one address."""
    return Platform(workers=workers, settings=SETTINGS | {"delivery.resolvers": [dns.address]})


def main() -> int:
    """Run the long form; 1 when the eight feel the bad two."""
    parser = argparse.ArgumentParser(prog="bad_endpoints", description="One dead and one slow endpoint among ten.")
    parser.add_argument("--endpoint-messages", type=int, default=10_000, help="to all ten (default %(default)s)")
    parser.add_argument("--pace", type=float, default=60.0, help="a second for the eight (default %(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="rounds of each kind (default %(default)s)")
    given, _ = parser.parse_known_args()
    each = max(1, given.endpoint_messages // given.pairs // 10)
    with EndpointLedger() as endpoint, Dns(ZONE) as dns, platform_for(dns, 2) as platform:
        world = BadEndpoints(platform, endpoint)
        world.make_routes()
        world.round(0, max(3, each // 10), bad=False, pace=given.pace)
        world.found = Latencies()
        for number in range(1, given.pairs + 1):
            for bad in (False, True) if number % 2 else (True, False):
                world.round(number * 2 + bad, each, bad=bad, pace=given.pace)
            beside, without = world.found.p99s()
            print(f"pair {number}: p99 {beside * 1000:.1f} ms beside, {without * 1000:.1f} ms without", flush=True)
    beside, without = world.found.p99s()
    print(f"{world.sent} messages: p99 {beside * 1000:.1f} / {without * 1000:.1f} ms = {beside / without:.2f}")
    return 0 if beside <= BOUND * without else 1


if __name__ == "__main__":
    sys.exit(main())
