"""The driver: rounds at once, answers from memory without a task, an end in time, and the real resolver under it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from typing import Any

import dns.message
import dns.rdatatype
import pytest

from mailward.adapters.net.resolver import Resolver, ResolverOptions, Server
from mailward.app.inbound.authentication import Authenticated, Authenticator
from mailward.protocol.dns import DnsAnswer, DnsQuery
from tests.adapters.net.scripted_dns import reply, scripted
from tests.conftest import MovingClock, SeededEntropy
from tests.protocol.authentication.rig import BODY, NOW, Host, header, signed

CLIENT = ipaddress.ip_address("192.0.2.1")


class SlowDns:
    """Answers from a host's zone; questions whose name holds a word of `stuck` are never answered."""

    def __init__(self, host: Host, *stuck: str) -> None:
        self.host = host
        self.stuck = stuck
        self.memory: dict[DnsQuery, DnsAnswer] = {}
        self.at_once = 0
        self.most_at_once = 0
        self.cancelled = 0

    def cached(self, query: DnsQuery) -> DnsAnswer | None:
        """What was remembered."""
        return self.memory.get(query)

    async def resolve(self, query: DnsQuery, *, fresh: bool = False) -> DnsAnswer:
        """The zone's answer, a step later."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(3600 if any(word in query.name for word in self.stuck) else 0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1
        return self.host.zone.answer(query)


async def judged(dns: Any, content: bytes | None = None, *, seconds: float = 20.0, **more: Any) -> Authenticated:
    """An honest message (or `content`) through the driver."""
    authenticator = Authenticator(dns, hostname="mx.ours.example", time_budget=seconds, **more)
    content = signed(header() + BODY, "example.com") if content is None else content
    return await authenticator.authenticate(
        content, client=CLIENT, helo="mx.example.com", mail_from="a@example.com", now=NOW
    )


async def test_rounds_are_asked_at_once() -> None:
    """SPF, HELO, the key and the policy are asked side by side."""
    dns = SlowDns(Host())
    done = await judged(dns)
    assert done.verdicts.dmarc.result == "pass"
    assert dns.most_at_once >= 4


async def test_what_is_remembered_is_not_asked() -> None:
    """With everything in the resolver's memory nothing is asked."""
    first = SlowDns(Host())
    await judged(first)
    second = SlowDns(Host())
    second.memory = {query: first.host.zone.answer(query) for query in list(first.host.zone.asked)}
    done = await judged(second)
    assert done.verdicts.dmarc.result == "pass"
    assert second.most_at_once == 0


@pytest.mark.parametrize(
    ("stuck", "spf", "dkim", "dmarc"),
    [
        ("_domainkey", "pass", "temperror", "pass"),
        ("_dmarc", "pass", "pass", "temperror"),
        ("example.com", "temperror", "temperror", "temperror"),
    ],
)
async def test_time_runs_out(stuck: str, spf: str, dkim: str, dmarc: str) -> None:
    """What is not answered in time is temporary, never none; nothing is left running."""
    dns = SlowDns(Host(), stuck)
    done = await asyncio.wait_for(judged(dns, seconds=0.05), 5)
    verdicts = done.verdicts
    assert (verdicts.spf.result, verdicts.dkim[0].result, verdicts.dmarc.result) == (spf, dkim, dmarc)
    await asyncio.sleep(0)
    assert dns.at_once == 0 and dns.cancelled


async def test_cancelled() -> None:
    """A session that goes away takes its questions with it."""
    dns = SlowDns(Host(), "example.com")
    task = asyncio.create_task(judged(dns))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert dns.at_once == 0 and dns.cancelled


async def test_forged_results_go_and_ours_comes() -> None:
    """Fields that claim our names, former ones too, are taken out and counted; ours says what was found."""
    forged = (
        b"Authentication-Results: MX.ours.example (x); dmarc=pass\r\n"
        b"Authentication-Results: old.ours.example; spf=pass\r\n"
        b"Authentication-Results: mx.else.example; spf=pass\r\n"
    )
    done = await judged(SlowDns(Host()), forged + signed(header() + BODY, "example.com"), former=["OLD.ours.example"])
    assert done.forged == 2
    assert [raw for name, raw in done.fields if name == b"authentication-results"] == [
        b"Authentication-Results: mx.else.example; spf=pass\r\n"
    ]
    assert done.field.startswith(b"Authentication-Results: mx.ours.example;\r\n spf=pass smtp.mailfrom=a@example.com;")
    assert done.field.endswith(b"\r\n")
    assert done.verdicts.dmarc.result == "pass"


async def test_a_large_body() -> None:
    """Several megabytes are judged like any other body, while the loop goes on."""
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0)
            beats += 1

    heart = asyncio.create_task(beat())
    done = await judged(SlowDns(Host()), signed(header() + b"line  of \t text \r\n" * 300_000, "example.com"))
    heart.cancel()
    assert done.verdicts.dkim[0].result == "pass" and beats > 1


async def test_cancelled_while_hashing() -> None:
    """A session that goes away in the middle of a large body ends as cancelled."""
    task = asyncio.create_task(judged(SlowDns(Host()), signed(header() + b"a  b\r\n" * 900_000, "example.com")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_real_resolver(clock: MovingClock, entropy: SeededEntropy) -> None:
    """Over UDP and the caching resolver: all pass, once; SERVFAIL at the policy is temporary."""
    host = Host()

    def answer(query: dns.message.Message, _: bytes) -> Sequence[bytes]:
        question = query.question[0]
        name, rtype = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        found = host.zone.answer(DnsQuery(name, rtype))  # type: ignore[arg-type]
        if found.status == "servfail":
            return [reply(query, rcode=2)]
        soa = "example.com. 60 IN SOA ns.example.com. h.example.com. 1 2 3 4 60"
        if not found.records:
            return [reply(query, soa, rcode=3 if found.status == "nxdomain" else 0)]
        texts = [f'"{r.decode()}"' if isinstance(r, bytes) else str(r) for r in found.records]
        return [reply(query, *(f"{name}. 300 IN {rtype} {text}" for text in texts))]

    async with scripted(answer) as server:
        options = ResolverOptions(timeout=0.5, rounds=1)
        resolver = Resolver([Server("127.0.0.1", server.port)], clock=clock, entropy=entropy, options=options)
        first = await judged(resolver)
        assert (first.verdicts.spf.result, first.verdicts.dmarc.result) == ("pass", "pass")
        asked = len(server.asked)
        assert (await judged(resolver)).verdicts == first.verdicts
        assert len(server.asked) == asked
        host.zone.data["_dmarc.other.test"] = {"TXT": "SERVFAIL"}
        other = await judged(resolver, header("other.test") + BODY)
        assert other.verdicts.dmarc.result == "temperror"
        await resolver.close()
