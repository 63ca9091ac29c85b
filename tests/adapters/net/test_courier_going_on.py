"""An attempt that one transaction does not end: the next host, and the recipients that a server left out."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from mailward.adapters.net.courier import CourierResult
from mailward.base.outcome import Done, PermFail, TempFail
from mailward.policy.tls import TlsPolicy
from mailward.protocol.smtp.client_mail import Dsn
from tests.adapters.net.courier_rig import Peer, Reply, courier, job, replying

TWO = ("b@b.test", "c@b.test")


async def over(
    *hosts: dict[str, Reply],
    recipients: tuple[str, ...] = TWO,
    options: dict[str, object] | None = None,
    **changes: object,
) -> tuple[CourierResult, list[Peer]]:
    """One message to servers that reply so, in this order; mx0 is the first."""
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(replying(**host)) for host in hosts]
        it = await stack.enter_async_context(courier(**(options or {})))
        there = tuple((f"mx{n}.b.test", "127.0.0.1", peer.port) for n, peer in enumerate(peers))
        letter = job(0, hosts=there, recipients=recipients, **changes)
        return await asyncio.wait_for(it.deliver(letter), 20), peers


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    "refusal",
    [{"mail": "452 4.3.1 no room"}, {"rcpt": "451 4.3.0 lookup"}, {"data": "451 4.3.0 no"}, {"dot": "451 4.3.0 no"}],
)
async def test_a_host_that_refuses_for_now_leads_to_the_next(refusal: dict[str, Reply], pipelining: bool) -> None:
    """At MAIL, RCPT, DATA and the final dot: the next one takes it in the same attempt, and the record says why."""
    ehlo: dict[str, Reply] = {} if pipelining else {"ehlo": "250 mx"}
    result, (first, second) = await over({**refusal, **ehlo}, {})
    assert [type(o) for o in result.outcomes] == [Done, Done]
    assert (first.messages, second.messages) == ([], [list(TWO)])
    assert result.host == "mx1.b.test"
    assert result.why.startswith("choice 2 of 2,") and "before: mx0.b.test [127.0.0.1]: " in result.why


async def test_whom_the_first_host_took_the_second_does_not_get() -> None:
    """Each recipient's record is of the host that answered for it; delivery status goes along with its recipient."""

    def reply(peer: Peer, taken: list[str]) -> str:
        return "451 4.3.0 lookup failed" if taken else "250 ok"

    dsn = Dsn("HDRS", "", ("NEVER", "FAILURE"), ("", "rfc822;c@b.test"))
    ehlo = "250-mx\r\n250 DSN"
    result, (first, second) = await over({"rcpt": reply, "ehlo": ehlo}, {"ehlo": ehlo}, dsn=dsn)
    assert [type(o) for o in result.outcomes] == [Done, Done]
    assert (first.count("RCPT"), second.count("RCPT")) == (2, 1)
    assert "RCPT TO:<c@b.test> NOTIFY=FAILURE ORCPT=rfc822;c@b.test" in second.heard
    assert [one.host for one in result.each] == ["mx0.b.test", "mx1.b.test"]
    assert "before" not in result.each[0].why and "then" not in result.each[0].why
    assert [one.outcomes for one in result.each] == [(o,) for o in result.outcomes]


@pytest.mark.parametrize(
    "refusal", ["450 4.2.0 Greylisted", "451 4.7.1 later", "451 try again in 5 minutes", "452 4.2.2 mailbox full"]
)
async def test_what_the_next_host_would_say_as_well_waits(refusal: str) -> None:
    """Greylists, rates, policies and full mailboxes are the destination's."""
    result, (first, second) = await over({"rcpt": refusal}, {})
    assert [type(o) for o in result.outcomes] == [TempFail, TempFail]
    assert (first.sessions, second.sessions) == (1, 0)


async def test_after_a_few_hosts_the_message_waits() -> None:
    """Three that refuse for now are enough for one attempt; the record is the first one's and names the others."""
    busy: dict[str, Reply] = {"mail": "451 4.3.0 busy"}
    result, peers = await over(busy, busy, busy, {})
    assert [peer.sessions for peer in peers] == [1, 1, 1, 0]
    assert (result.host, result.each[1].host) == ("mx0.b.test", "mx0.b.test")
    assert "then: mx1.b.test" in result.why and "mx2.b.test" in result.why
    assert any("451 4.3.0 busy" in text for _, _, text in result.dialogue)


async def test_an_attempt_that_lasts_goes_to_no_further_host() -> None:
    """Its time is bounded."""
    result, (_, second) = await over({"mail": "451 4.3.0 busy"}, {}, options={"go_on": 0.0})
    assert (second.sessions, type(result.outcomes[0])) == (0, TempFail)


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        ({"rcpt": "550 5.1.1 user unknown"}, PermFail),
        ({"rcpt": "550 5.7.1 relaying denied"}, TempFail),
        ({"rcpt": "450 4.2.0 greylisted"}, TempFail),
        ({"mail": ""}, TempFail),
        ({"dot": ""}, TempFail),
    ],
)
async def test_a_lesser_host_that_refuses_leaves_the_better_ones_word(second: dict[str, Reply], kind: type) -> None:
    """But for mailboxes that it knows not to exist."""
    result, _ = await over({"mail": "452 4.3.1 no room"}, second)
    assert [type(o) for o in result.outcomes] == [kind, kind]
    if kind is TempFail:
        assert [o.code for o in result.outcomes] == [452, 452]
        assert "then: mx1.b.test" in result.why


async def test_after_a_lost_final_dot_nothing_is_sent_again() -> None:
    """One recipient was refused, the other perhaps taken: neither goes on, as before."""

    def reply(peer: Peer, taken: list[str]) -> str:
        return "451 4.3.0 lookup failed" if taken else "250 ok"

    result, (_, second) = await over({"rcpt": reply, "dot": ""}, {})
    assert second.sessions == 0
    assert [type(o) for o in result.outcomes] == [TempFail, TempFail]


async def test_a_421_in_the_envelope_leads_to_the_next_host_for_the_others() -> None:
    """One address is dead, and then the server closes: the dead one is not asked for again."""

    def reply(peer: Peer, taken: list[str]) -> str:
        return "550 5.1.1 user unknown" if peer.count("RCPT") == 1 else "421 4.3.2 shutting down"

    result, (_, second) = await over({"rcpt": reply, "ehlo": "250 mx"}, {})
    assert [type(o) for o in result.outcomes] == [PermFail, Done]
    assert second.messages == [["c@b.test"]]


async def test_an_open_connection_that_refuses_leads_to_the_host_not_asked_yet() -> None:
    """Kept from a message before, to the second host: the first one's turn comes, and no host is asked twice."""
    busy = ""

    def reply(peer: Peer, taken: list[str]) -> str:
        return busy or "250 ok"

    async with replying(mail=reply) as first, replying(mail=reply) as second, courier() as it:
        hosts = tuple((f"mx{n}.b.test", "127.0.0.1", peer.port) for n, peer in enumerate((first, second)))
        await asyncio.wait_for(it.deliver(job(0, hosts=hosts[1:])), 10)
        busy = "451 4.3.0 busy"
        result = await asyncio.wait_for(it.deliver(job(0, hosts=hosts)), 10)
    assert type(result.outcomes[0]) is TempFail
    assert (first.count("MAIL"), second.count("MAIL")) == (1, 2)


MANY = tuple(f"u{n}@b.test" for n in range(50))


def few(limit: int, transactions: int = 1000) -> Reply:
    """RCPT's reply of a server that takes `limit` recipients a transaction, and closes after some transactions."""

    def reply(peer: Peer, taken: list[str]) -> str:
        if peer.count("MAIL") > transactions * peer.sessions:
            return ""
        return "250 ok" if len(taken) < limit else "452 4.5.3 Too many recipients"

    return reply


@pytest.mark.parametrize(("limit", "transactions"), [(1, 50), (5, 10), (7, 8)])
@pytest.mark.parametrize("ehlo", ["250-mx\r\n250 PIPELINING", "250 mx"])
async def test_recipients_that_a_server_left_out_follow_at_once(limit: int, transactions: int, ehlo: str) -> None:
    """On the same connection, in the same attempt, each once."""
    result, (peer,) = await over({"rcpt": few(limit), "ehlo": ehlo}, recipients=MANY)
    assert all(type(o) is Done for o in result.outcomes) and len(result.outcomes) == 50
    assert [r for message in peer.messages for r in message] == list(MANY)
    assert (peer.sessions, peer.count("MAIL")) == (1, transactions)


async def test_a_server_that_closes_between_is_dialled_again() -> None:
    """After three transactions each time."""
    result, (peer,) = await over({"rcpt": few(5, 3)}, recipients=MANY)
    assert all(type(o) is Done for o in result.outcomes)
    assert sorted(r for message in peer.messages for r in message) == sorted(MANY)


async def test_who_is_left_at_the_bound_comes_soon_and_has_not_been_tried() -> None:
    """Ten transactions of one recipient: the others are no attempt behind."""
    result, (peer,) = await over({"rcpt": few(1)}, recipients=MANY, options={"transactions": 10})
    assert len(peer.messages) == 10
    left = [o for o in result.outcomes if isinstance(o, TempFail)]
    assert len(left) == 40
    assert {(o.reason, o.tried, o.retry_after) for o in left} == {("too_many_recipients", False, 5.0)}


async def test_a_server_that_takes_nobody_is_no_progress() -> None:
    """Then it is an attempt like any other."""
    result, (peer,) = await over({"rcpt": "452 4.5.3 Too many recipients"})
    assert peer.count("MAIL") == 1
    assert [(o.reason, o.tried) for o in result.outcomes if isinstance(o, TempFail)] == [
        ("too_many_recipients", True)
    ] * 2


async def test_of_those_left_out_some_go_to_the_next_host() -> None:
    """One is taken, one is refused for a trouble of this host, one is left out: each in its own way, and once."""

    def reply(peer: Peer, taken: list[str]) -> str:
        if "<u1@" in peer.heard[-1]:
            return "451 4.3.0 lookup failed"
        return "250 ok" if not taken else "452 4.5.3 Too many recipients"

    result, (first, second) = await over({"rcpt": reply, "ehlo": "250 mx"}, {}, recipients=MANY[:3])
    assert [type(o) for o in result.outcomes] == [Done] * 3
    assert (first.messages, second.messages) == ([["u0@b.test"], ["u2@b.test"]], [["u1@b.test"]])
    assert [one.host for one in result.each] == ["mx0.b.test", "mx1.b.test", "mx0.b.test"]


STARTTLS = "250-mx\r\n250 STARTTLS"


@pytest.mark.parametrize("starttls", ["454 4.7.0 TLS not available", "554 5.7.0 broken", "220 go"])
@pytest.mark.parametrize(
    "demand", [{"mail": "530 5.7.0 Must issue a STARTTLS command first"}, {"rcpt": "550 5.7.1 Encryption required"}]
)
async def test_tls_that_fails_where_it_is_demanded_gives_no_mail_back(starttls: str, demand: dict[str, Reply]) -> None:
    """The server refuses for want of what it could not give just now: the next host, or the next try."""
    broken: dict[str, Reply] = {"ehlo": STARTTLS, "starttls": starttls, **demand}
    result, _ = await over(broken)
    for outcome in result.outcomes:
        assert isinstance(outcome, TempFail), outcome
        assert outcome.reason == "tls_failure"
    assert "in clear as TLS failed (" in result.why
    result, (_, second) = await over(broken, {})
    assert [type(o) for o in result.outcomes] == [Done, Done]
    assert len(second.messages) == 1


async def test_tls_that_is_demanded_and_was_never_offered_is_refused_for_good() -> None:
    """Nothing failed, so nothing will be better; the same where we are to send in clear."""
    demand: dict[str, Reply] = {"mail": "530 5.7.0 Must issue a STARTTLS command first"}
    for policy in (TlsPolicy.OPPORTUNISTIC, TlsPolicy.NONE):
        result, _ = await over(demand, tls_policy=policy)
        assert [(type(o), o.reason) for o in result.outcomes if not isinstance(o, Done)] == [
            (PermFail, "encryption_required")
        ] * 2
