"""What a process counts. Labels are fixed words, never addresses, domains or tenants."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.accepted = Counter("mailward_messages_accepted", "Messages accepted.", ["source"], registry=r)
        self.received = Counter("mailward_messages_received", "Messages from the world, by fate.", ["fate"], registry=r)
        self.reports = Counter("mailward_reports", "Bounces and complaints taken, by effect.", ["taken"], registry=r)
        self.refused = Counter("mailward_messages_refused", "Messages refused, by stable code.", ["code"], registry=r)
        self.attempts = Counter("mailward_attempts", "Delivery attempts by outcome.", ["outcome"], registry=r)
        self.attempt_seconds = Histogram(
            "mailward_attempt_seconds", "Time of one delivery attempt.", registry=r, buckets=_BUCKETS
        )
        self.accept_seconds = Histogram(
            "mailward_accept_seconds", "From whole message to commit.", registry=r, buckets=_BUCKETS
        )
        self.logins = Counter("mailward_authentications", "Authentications by result.", ["door", "result"], registry=r)
        self.webhooks = Counter("mailward_webhook_attempts", "Webhook attempts by result.", ["result"], registry=r)
        self.errors = Counter("mailward_errors", "Unexpected errors, by place.", ["place"], registry=r)
        self._gauges: list[Gauge] = []

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A number read when it is asked for."""
        gauge = Gauge(f"mailward_{name}", text, registry=self.registry)
        gauge.set_function(read)
        self._gauges.append(gauge)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
