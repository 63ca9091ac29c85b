"""The next hop is away, the resolver is dead, the operator restarts under load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.scenarios.apart import TOGETHER, Apart
from tests.scenarios.ledger import LedgerSink
from tests.scenarios.peers import wait_until
from tests.scenarios.traffic import RECIPIENT, Dialogue, SmtpSender


@pytest.fixture(scope="module")
def sink() -> Iterator[LedgerSink]:
    with LedgerSink() as running:
        yield running


@pytest.fixture(scope="module")
def platform(sink: LedgerSink) -> Iterator[Apart]:
    with Apart(TOGETHER, route=f"127.0.0.1:{sink.port}") as running:
        yield running


def send(platform: Apart, token: str) -> str:
    """One message by API; its id."""
    body = {
        "from": f"app@{platform.domain}",
        "to": RECIPIENT,
        "subject": "s",
        "text": "t",
        "headers": {"X-Ledger": token},
    }
    status, sent = platform.api("POST", "/v1/messages", body)
    assert status == 202, sent
    return str(sent["id"])


def attempts(platform: Apart, message: str) -> list[dict[str, object]]:
    """Every attempt so far, as explained."""
    _, why = platform.api("GET", f"/v1/messages/{message}/explain")
    return list(why["deliveries"][0]["attempts"])


def try_now(platform: Apart, message: str) -> None:
    """What an operator does when the cause is mended: have it tried now, until it is delivered."""

    def delivered() -> bool:
        now = datetime.now(UTC).isoformat()
        platform.api("POST", f"/v1/messages/{message}/reschedule", {"scheduled_at": now})
        time.sleep(0.5)
        return bool(platform.api("GET", f"/v1/messages/{message}")[1]["status"] == "delivered")

    wait_until(delivered, f"{message} to be delivered", 40, 0.5)


@pytest.mark.timeout(120)
def test_a_next_hop_that_refuses_connections_is_tried_again(platform: Apart, sink: LedgerSink) -> None:
    """The first attempt is a deferral that says so; when the hop is back the message arrives, once."""
    sink.stop_listening()
    message = send(platform, "hop-away")
    wait_until(lambda: bool(attempts(platform, message)), "the first attempt", 20)
    first = attempts(platform, message)[0]
    assert first["outcome"] == "deferred"
    assert first["next_try_at"]
    assert "connect" in str(first["text"]).lower(), first
    sink.listen()
    try_now(platform, message)
    assert len(sink.read()["hop-away", RECIPIENT]) == 1
    assert attempts(platform, message)[-1]["outcome"] == "delivered"


@pytest.mark.asvs("16.5.2")
@pytest.mark.timeout(120)
def test_a_dead_resolver_defers(sink: LedgerSink) -> None:
    """Nobody to ask is not "no such name": nothing bounces, and the mail goes out when DNS is back."""
    with Apart(TOGETHER, domain="sender.example", route=f"hop.dest.test:{sink.port}") as platform:
        records = [*platform.resolver().records, "hop.dest.test. 1 IN A 127.0.0.1"]
        platform.resolver().close()
        message = send(platform, "dns-away")
        wait_until(lambda: bool(attempts(platform, message)), "the first attempt", 60, 0.2)
        first = attempts(platform, message)[0]
        assert first["outcome"] == "deferred", first
        assert first["code"] == 0
        assert first["host"] == ""
        platform.resolver().publish(records)
        try_now(platform, message)
    assert len(sink.read()["dns-away", RECIPIENT]) == 1


@pytest.mark.timeout(120)
def test_sigterm_under_load_drains_within_the_deadline(platform: Apart, sink: LedgerSink) -> None:
    """Clients get 421 or finish their message; the process ends with 0 in time; what was acknowledged arrives."""
    senders = [SmtpSender(f"drain-{i}", platform.private_port, 100_000) for i in range(6)]
    idle = Dialogue(platform.private_port)
    idle.say("EHLO idle.test")
    for sender in senders:
        sender.start()
    wait_until(lambda: all(len(s.acknowledged) > 5 for s in senders), "load", 30)
    began = time.monotonic()
    for sender in senders:
        sender.stopped.set()
    code = platform.stop_part("web", 45)
    took = time.monotonic() - began
    assert code == 0
    assert took < 30, f"{took:.1f} s"
    assert idle.reply()[0] == 421
    idle.close()
    for sender in senders:
        sender.join(60)
        assert not sender.failure
    platform.start_part("web")
    wanted = {entry for s in senders for entry in s.acknowledged}
    wait_until(lambda: wanted <= sink.read().keys(), "all that was acknowledged", 60, 0.2)
    assert not [t for t, arrivals in sink.read().items() if t in wanted and len(arrivals) > 1]
