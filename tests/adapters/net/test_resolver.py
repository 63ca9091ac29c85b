"""The resolver against a server that lies, cuts, keeps silent or loops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dns.message
import pytest

from mailward.adapters.net.dns_cache import AnswerCache
from mailward.adapters.net.resolver import Resolver, ResolverOptions, Server, parse_server, system_servers
from mailward.protocol.dns import DnsAnswer, DnsQuery, Lookup, Mx
from tests.adapters.net.scripted_dns import ScriptedServer, reply, scripted

QUICK = ResolverOptions(timeout=0.15, rounds=1)
SOA = "example.com. 300 IN SOA ns.example.com. root.example.com. 1 2 3 4 60"


def resolver(clock: Any, entropy: Any, *servers: ScriptedServer, trusted: bool = True, **kw: Any) -> Resolver:
    return Resolver(
        [Server("127.0.0.1", s.port, trusted) for s in servers],
        clock=clock,
        entropy=entropy,
        options=ResolverOptions(**{"timeout": 0.15, "rounds": 1, **kw}),
    )


def owner(query: dns.message.Message) -> str:
    return query.question[0].name.to_text()


async def test_records_are_read_and_remembered(clock: Any, entropy: Any) -> None:
    """An answer is asked for once in its time to live, and again after it."""

    def udp(query: dns.message.Message, _: bytes) -> Sequence[bytes]:
        return [reply(query, f"{owner(query)} 100 IN MX 20 B.example.", f"{owner(query)} 100 IN MX 10 a.example.")]

    async with scripted(udp) as server:
        r = resolver(clock, entropy, server)
        query = DnsQuery("Example.COM.", "MX")
        first = await r.resolve(query)
        assert first == DnsAnswer("ok", (Mx(10, "a.example"), Mx(20, "b.example")), 100)
        clock.move(seconds=99)
        assert await r.resolve(DnsQuery("example.com", "MX")) is first
        assert len(server.asked) == 1
        assert await r.resolve(query, fresh=True) == first
        clock.move(seconds=101)
        assert await r.resolve(query) == first
        assert len(server.asked) == 3


@pytest.mark.parametrize(("rcode", "status"), [(3, "nxdomain"), (0, "nodata")])
async def test_negative_answers_live_as_long_as_the_soa_says(clock: Any, entropy: Any, rcode: int, status: str) -> None:
    """No such name and no such type are told apart and kept for the SOA's minimum."""
    async with scripted(lambda q, _: [reply(q, SOA, rcode=rcode)]) as server:
        r = resolver(clock, entropy, server)
        answer = await r.resolve(DnsQuery("a.example.com", "TXT"))
        assert (answer.status, answer.ttl) == (status, 60)
        clock.move(seconds=59)
        await r.resolve(DnsQuery("a.example.com", "TXT"))
        assert len(server.asked) == 1
        clock.move(seconds=2)
        await r.resolve(DnsQuery("a.example.com", "TXT"))
        assert len(server.asked) == 2


async def test_a_negative_answer_without_soa_is_not_remembered(clock: Any, entropy: Any) -> None:
    """Without SOA nobody said how long, so the next question asks again."""
    async with scripted(lambda q, _: [reply(q, rcode=3)]) as server:
        r = resolver(clock, entropy, server)
        for _ in range(2):
            assert (await r.resolve(DnsQuery("a.example.com", "A"))).status == "nxdomain"
        assert len(server.asked) == 2


@pytest.mark.parametrize("rcode", [2, 5, 1, 4, 9])
async def test_servfail_is_never_no_records(clock: Any, entropy: Any, rcode: int) -> None:
    """SERVFAIL, REFUSED, FORMERR, NOTIMP and unknown codes all read as servfail."""
    async with scripted(lambda q, _: [reply(q, rcode=rcode)]) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("example.com", "MX"))
        assert answer.status == "servfail"
        assert not answer.records


async def test_another_server_is_asked_when_one_fails(clock: Any, entropy: Any) -> None:
    """One broken and one silent server do not hide the third's answer."""
    async with (
        scripted(lambda q, _: [reply(q, rcode=2)]) as broken,
        scripted(lambda q, _: []) as silent,
        scripted(lambda q, _: [reply(q, f"{owner(q)} 60 IN A 192.0.2.7")]) as good,
    ):
        answer = await resolver(clock, entropy, broken, silent, good).resolve(DnsQuery("example.com", "A"))
        assert answer.records == ("192.0.2.7",)


async def test_silence_is_a_timeout(clock: Any, entropy: Any) -> None:
    """A server that never answers gives `timeout`, held only for a moment."""
    async with scripted(lambda q, _: []) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("example.com", "A"))
        assert answer.status == "timeout"
        assert 0 < answer.ttl <= 5


def _wrong_id(query: dns.message.Message) -> bytes:
    wire = bytearray(reply(query, f"{owner(query)} 60 IN A 203.0.113.66"))
    wire[1] ^= 1
    return bytes(wire)


def _wrong_question(query: dns.message.Message) -> bytes:
    other = dns.message.make_query("evil.example.", "A", id=query.id)
    return reply(other, "evil.example. 60 IN A 203.0.113.66")


def _wrong_type(query: dns.message.Message) -> bytes:
    other = dns.message.make_query(query.question[0].name, "TXT", id=query.id)
    return reply(other, f"{owner(query)} 60 IN A 203.0.113.66")


def _not_an_answer(query: dns.message.Message) -> bytes:
    wire = bytearray(reply(query, f"{owner(query)} 60 IN A 203.0.113.66"))
    wire[2] &= 0x7F
    return bytes(wire)


@pytest.mark.parametrize("forge", [_wrong_id, _wrong_question, _wrong_type, _not_an_answer, lambda q: b"\0" * 5])
async def test_a_forged_answer_is_ignored(clock: Any, entropy: Any, forge: Any) -> None:
    """A datagram that does not fit the question changes nothing; the honest one after it is taken."""

    def udp(query: dns.message.Message, _: bytes) -> Sequence[bytes]:
        return [forge(query), reply(query, f"{owner(query)} 60 IN A 192.0.2.1")]

    async with scripted(udp) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("example.com", "A"))
        assert answer.records == ("192.0.2.1",)


async def test_many_guesses_move_the_question_to_tcp(clock: Any, entropy: Any) -> None:
    """After four datagrams that do not fit, UDP is given up: someone is guessing."""
    async with scripted(
        lambda q, _: [_wrong_id(q)] * 6 + [reply(q, f"{owner(q)} 60 IN A 203.0.113.66")],
        lambda q: reply(q, f"{owner(q)} 60 IN A 192.0.2.1"),
    ) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("example.com", "A"))
        assert answer.records == ("192.0.2.1",)
        assert [how for _, how in server.asked] == ["udp", "tcp"]


async def test_the_case_of_letters_is_checked(clock: Any, entropy: Any) -> None:
    """An answer whose question lost our random case is not taken from UDP, and is from TCP."""

    def lower(query: dns.message.Message) -> dns.message.Message:
        return dns.message.make_query(owner(query).lower(), "A", id=query.id)

    async with scripted(
        lambda q, _: [reply(lower(q), "example.com. 60 IN A 203.0.113.66")],
        lambda q: reply(lower(q), "example.com. 60 IN A 192.0.2.1"),
    ) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("example.com", "A"))
        assert answer.records == ("192.0.2.1",)
        assert server.asked[0][0] != "example.com"


async def test_a_truncated_answer_is_asked_for_over_tcp(clock: Any, entropy: Any) -> None:
    """Records beside the TC bit are not used; TCP brings all of them."""
    many = [f"192.0.2.{i}" for i in range(1, 201)]
    async with scripted(
        lambda q, _: [reply(q, f"{owner(q)} 60 IN A 192.0.2.1", tc=True)],
        lambda q: reply(q, *(f"{owner(q)} 60 IN A {a}" for a in many)),
    ) as server:
        answer = await resolver(clock, entropy, server, timeout=5).resolve(DnsQuery("example.com", "A"))
        assert set(answer.records) == set(many)


async def test_truncated_without_tcp_is_a_failure(clock: Any, entropy: Any) -> None:
    """When TCP brings nothing, the half answer stays unused."""
    async with scripted(lambda q, _: [reply(q, f"{owner(q)} 60 IN A 192.0.2.1", tc=True)]) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("example.com", "A"))
        assert answer.status == "servfail"


async def test_a_huge_record_set_is_a_failure(clock: Any, entropy: Any) -> None:
    """Three thousand records for one name are refused before they are parsed."""
    async with scripted(
        lambda q, _: [reply(q, tc=True)],
        lambda q: reply(q, *(f"{owner(q)} 60 IN A 10.{i >> 8}.{i & 255}.1" for i in range(3000))),
    ) as server:
        answer = await resolver(clock, entropy, server, timeout=5).resolve(DnsQuery("example.com", "A"))
        assert answer.status == "servfail"


async def test_records_beside_the_answer_are_bounded_too(clock: Any, entropy: Any) -> None:
    """One honest record among thousands in the authority section: nothing of it is parsed."""

    def full(query: dns.message.Message) -> bytes:
        query.use_edns(False)
        wire = reply(query, f"{owner(query)} 60 IN A 192.0.2.1")
        assert dns.message.from_wire(wire).answer
        beside = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\1\2\3\4" * 3000
        return wire[:8] + (3000).to_bytes(2, "big") + b"\0\0" + wire[12:] + beside

    async with scripted(lambda q, _: [reply(q, tc=True)], full) as server:
        answer = await resolver(clock, entropy, server, timeout=5).resolve(DnsQuery("example.com", "A"))
        assert answer.status == "servfail"


async def test_garbage_after_the_question_is_a_failure(clock: Any, entropy: Any) -> None:
    """A fitting header with a malformed rest is no answer."""

    def udp(query: dns.message.Message, _: bytes) -> Sequence[bytes]:
        return [reply(query, f"{owner(query)} 60 IN A 192.0.2.1")[:-3]]

    async with scripted(udp) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("example.com", "A"))
        assert answer.status == "servfail"


async def test_aliases_are_followed_across_messages(clock: Any, entropy: Any) -> None:
    """A CNAME whose target the server left out is asked for; the shortest TTL counts."""
    zone = {"www.example.com.": "IN CNAME a.example.net.", "a.example.net.": "IN CNAME b.example.net."}

    def udp(query: dns.message.Message, _: bytes) -> Sequence[bytes]:
        name = owner(query).lower()
        if name in zone:
            return [reply(query, f"{name} 30 {zone[name]}")]
        return [reply(query, f'{name} 600 IN TXT "one" "two"', ad=True)]

    async with scripted(udp) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("www.example.com", "TXT"))
        assert answer == DnsAnswer("ok", (b"onetwo",), 30, authenticated=False)
        assert len(server.asked) == 3


@pytest.mark.parametrize("loop", [True, False])
async def test_an_alias_loop_ends(clock: Any, entropy: Any, loop: bool) -> None:
    """A loop of CNAMEs, or a chain without end, is a failure after eight."""

    def udp(query: dns.message.Message, _: bytes) -> Sequence[bytes]:
        name = owner(query).lower()
        target = "b.example." if loop and name[0] == "a" else "a.example." if loop else f"a{name}"
        return [reply(query, f"{name} 30 IN CNAME {target}")]

    async with scripted(udp) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("a.example", "A"))
        assert answer.status == "servfail"
        assert len(server.asked) <= 10


async def test_the_alias_itself_can_be_asked_for(clock: Any, entropy: Any) -> None:
    """A CNAME question returns the target and does not follow it."""
    async with scripted(lambda q, _: [reply(q, f"{owner(q)} 30 IN CNAME Target.example.")]) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("a.example", "CNAME"))
        assert answer.records == ("target.example",)


@pytest.mark.parametrize(
    ("trusted", "ad", "authenticated"), [(True, True, True), (True, False, False), (False, True, False)]
)
async def test_the_ad_bit_counts_only_from_a_trusted_server(
    clock: Any, entropy: Any, trusted: bool, ad: bool, authenticated: bool
) -> None:
    """Validated data needs both the bit and a server whose bit we may believe."""
    async with scripted(lambda q, _: [reply(q, f"{owner(q)} 30 IN A 192.0.2.1", ad=ad)]) as server:
        r = resolver(clock, entropy, server, trusted=trusted)
        assert (await r.resolve(DnsQuery("a.example", "A"))).authenticated is authenticated
        assert r.validates is trusted


async def test_a_server_that_rejects_edns_is_asked_without(clock: Any, entropy: Any) -> None:
    """FORMERR to an EDNS question is answered by asking plainly."""

    def udp(query: dns.message.Message, _: bytes) -> Sequence[bytes]:
        if query.edns >= 0:
            return [query.id.to_bytes(2, "big") + b"\x80\x01" + b"\0" * 8]
        return [reply(query, f"{owner(query)} 30 IN A 192.0.2.1")]

    async with scripted(udp) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery("a.example", "A"))
        assert answer.records == ("192.0.2.1",)


async def test_equal_questions_share_one_exchange(clock: Any, entropy: Any) -> None:
    """A hundred askers at once make one question; one who gives up does not take it from the others."""
    async with scripted(lambda q, _: [reply(q, f"{owner(q)} 30 IN A 192.0.2.1")]) as server:
        r = resolver(clock, entropy, server)
        tasks = [asyncio.create_task(r.resolve(DnsQuery("a.example", "A"))) for _ in range(100)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        answers = await asyncio.gather(*tasks[1:])
        assert {a.records for a in answers} == {("192.0.2.1",)}
        assert len(server.asked) == 1


async def test_too_many_waiting_questions_fail_at_once(clock: Any, entropy: Any) -> None:
    """Beyond the bound a question is a temporary failure, not a growing queue."""
    async with scripted(lambda q, _: []) as server:
        r = resolver(clock, entropy, server, max_waiting=2)
        waiting = [asyncio.create_task(r.resolve(DnsQuery(f"{i}.example", "A"))) for i in range(2)]
        await asyncio.sleep(0)
        assert (await r.resolve(DnsQuery("3.example", "A"))).status == "servfail"
        await r.close()
        await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("name", ["a..example", "x" * 64 + ".example", ".".join(["abc"] * 80)])
async def test_an_impossible_name_does_not_exist(clock: Any, entropy: Any, name: str) -> None:
    """An empty label, a label over 63 bytes or a name over 255 cannot exist and is not asked for."""
    async with scripted(lambda q, _: []) as server:
        answer = await resolver(clock, entropy, server).resolve(DnsQuery(name, "A"))
        assert answer.status == "nxdomain"
        assert not server.asked


async def test_ttl_is_clamped(clock: Any, entropy: Any) -> None:
    """A TTL of 0 is held five seconds, one of a year for a day."""

    def udp(query: dns.message.Message, _: bytes) -> Sequence[bytes]:
        ttl = 0 if owner(query).lower().startswith("zero") else 31_536_000
        return [reply(query, f"{owner(query)} {ttl} IN A 192.0.2.1")]

    async with scripted(udp) as server:
        r = resolver(clock, entropy, server)
        assert (await r.resolve(DnsQuery("zero.example", "A"))).ttl == 5
        assert (await r.resolve(DnsQuery("year.example", "A"))).ttl == 86_400


async def test_a_refused_port_is_a_quick_failure(clock: Any, entropy: Any) -> None:
    """A resolver that is not running is `servfail` or `timeout`, never `nodata`."""
    async with scripted(lambda q, _: []) as server:
        port = server.port
    r = Resolver([Server("127.0.0.1", port)], clock=clock, entropy=entropy, options=QUICK)
    assert (await r.resolve(DnsQuery("a.example", "A"))).status in ("servfail", "timeout")


async def test_the_driver_answers_each_question(clock: Any, entropy: Any) -> None:
    """A generator's questions are answered in order and its result returned."""

    def lookup() -> Lookup[tuple[str, ...]]:
        one = yield DnsQuery("one.example", "A")
        two = yield DnsQuery("two.example", "A")
        return (*one.records, *two.records)

    async with scripted(lambda q, _: [reply(q, f"{owner(q)} 30 IN A 192.0.2.{len(owner(q))}")]) as server:
        assert await resolver(clock, entropy, server).drive(lookup()) == ("192.0.2.12", "192.0.2.12")


def test_the_cache_is_bounded() -> None:
    """The oldest answer leaves when the cache is full."""
    cache = AnswerCache(limit=2)
    for name in "abc":
        cache.put((name, "A"), DnsAnswer("ok", ("192.0.2.1",), 60), now=0)
    assert len(cache) == 2
    assert cache.get(("a", "A"), 1) is None
    assert cache.get(("c", "A"), 1) is not None


def test_servers_are_read_from_resolv_conf(tmp_path: Path) -> None:
    """Nameserver lines are taken, nonsense skipped, loopback trusted; without any, loopback is asked."""
    conf = tmp_path / "resolv.conf"
    conf.write_text("# x\nsearch example\nnameserver 192.0.2.53\nnameserver nonsense\nnameserver ::1\n")
    assert system_servers(conf) == (Server("192.0.2.53"), Server("::1", 53, trusted=True))
    assert system_servers(tmp_path / "none") == (Server("127.0.0.1", 53, trusted=True),)


def test_servers_are_parsed_from_settings() -> None:
    """Addresses with and without port, of both families."""
    assert parse_server("192.0.2.1") == Server("192.0.2.1", 53)
    assert parse_server("127.0.0.1:5353") == Server("127.0.0.1", 5353, trusted=True)
    assert parse_server("[::1]:5353") == Server("::1", 5353, trusted=True)
    assert parse_server("2001:db8::1", trusted=True) == Server("2001:db8::1", 53, trusted=True)
    for bad in ("dns.example", "192.0.2.1:0", "192.0.2.1:x", ""):
        with pytest.raises(ValueError):
            parse_server(bad)
