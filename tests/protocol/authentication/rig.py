"""A receiving host with a dictionary for DNS: judges messages round by round."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache
from typing import Any

from mailward.protocol.authentication.judge import judge
from mailward.protocol.authentication.model import Received, Verdicts
from mailward.protocol.dkim import keys
from mailward.protocol.dkim.sign import Signer, sign
from mailward.protocol.dns import DnsQuery
from mailward.protocol.message import headers
from tests.protocol.zones import Zone

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIENT = ipaddress.ip_address("192.0.2.1")
BODY = b"Hello.\r\n"


@cache
def ed25519(domain: str) -> tuple[Signer, str]:
    """A signer for the domain under the selector "s", and its record."""
    private, record = keys.generate("ed25519-sha256")
    return Signer(domain, "s", keys.load(private)), record


def header(domain: str = "example.com", *, extra: bytes = b"") -> bytes:
    """A header with From in that domain."""
    return b"From: A <a@%b>\r\nTo: b@example.net\r\nSubject: Hi\r\n%b\r\n" % (domain.encode(), extra)


def signed(content: bytes, *domains: str) -> bytes:
    """The message with a genuine signature of each domain."""
    parsed = headers.split(content, tolerant=True)
    signers = [ed25519(domain)[0] for domain in domains]
    return sign(parsed.fields, content[parsed.body_offset :], signers, NOW) + content


class Host:
    """Our side. `zone` may be changed between messages; `rounds` are the questions of the last one, by the round."""

    def __init__(self, data: dict[str, dict[str, Any]] | None = None, *, policy: str = "v=DMARC1; p=reject") -> None:
        self.zone = Zone(
            {
                "example.com": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
                "_dmarc.example.com": {"TXT": [policy]},
                "s._domainkey.example.com": {"TXT": [ed25519("example.com")[1]]},
                "evil.test": {"TXT": ["v=spf1 +all"]},
                "s._domainkey.evil.test": {"TXT": [ed25519("evil.test")[1]]},
                "mx.example.com": {"A": ["192.0.2.1"], "TXT": ["v=spf1 a -all"]},
            }
            | (data or {})
        )
        self.rounds: list[tuple[DnsQuery, ...]] = []

    def judge(
        self,
        content: bytes,
        *,
        mail_from: str = "a@example.com",
        client: str = "192.0.2.1",
        helo: str = "mx.example.com",
        trusted: Collection[str] = (),
    ) -> Verdicts:
        """The verdicts on a message as it came."""
        self.rounds = []
        rounds = judge(self.received(content, mail_from=mail_from, client=client, helo=helo), trusted_sealers=trusted)
        try:
            queries = next(rounds)
            while True:
                self.rounds.append(queries)
                queries = rounds.send(tuple(self.zone.answer(query) for query in queries))
        except StopIteration as end:
            verdicts: Verdicts = end.value
            return verdicts

    @staticmethod
    def received(content: bytes, *, mail_from: str, client: str, helo: str) -> Received:
        """The message as the judge takes it."""
        parsed = headers.split(content, tolerant=True)
        body = content[parsed.body_offset :]
        return Received(ipaddress.ip_address(client), helo, mail_from, parsed.fields, body, NOW, "mx.ours.example")

    @property
    def asked(self) -> list[DnsQuery]:
        """All questions of the last message."""
        return [query for queries in self.rounds for query in queries]
