"""Keys and drivers shared by the DKIM tests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailward.protocol.dkim import keys
from mailward.protocol.dkim.sign import Signer, sign
from mailward.protocol.dkim.verify import Verdict, verify
from mailward.protocol.dns import DnsAnswer
from mailward.protocol.message import headers

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Bench:
    """A domain with both keys published, that signs and verifies."""

    def __init__(self) -> None:
        rsa, rsa_record = keys.generate("rsa-sha256")
        ed, ed_record = keys.generate("ed25519-sha256")
        self.now = NOW
        self.private = rsa
        self.signers = [Signer("example.com", "r1", keys.load(rsa)), Signer("example.com", "e1", keys.load(ed))]
        self.records = {"r1._domainkey.example.com": rsa_record, "e1._domainkey.example.com": ed_record}
        self.asked: list[str] = []

    def sign(self, content: bytes, now: datetime = NOW, lifetime: int | None = None) -> bytes:
        """The message with both signatures before it."""
        parsed = headers.split(content, tolerant=True)
        return sign(parsed.fields, content[parsed.body_offset :], self.signers, now, lifetime=lifetime) + content

    def verify(self, content: bytes, records: dict[str, str] | None = None, now: datetime = NOW) -> list[Verdict]:
        """Our verdicts, with `records` (default: the published ones) as DNS."""
        known = self.records if records is None else records
        parsed = headers.split(content, tolerant=True)
        lookup = verify(parsed.fields, content[parsed.body_offset :], now)
        try:
            query = next(lookup)
            while True:
                self.asked.append(query.name)
                text = known.get(query.name)
                answer = DnsAnswer("nxdomain") if text is None else DnsAnswer("ok", (text.encode(),))
                query = lookup.send(answer)
        except StopIteration as done:
            verdicts: list[Verdict] = done.value
            return verdicts


@pytest.fixture(scope="session")
def bench() -> Bench:
    """One domain for all tests: RSA keys take long to make."""
    return Bench()
