"""The MX gate: whom it lets in, what it refuses with which code, and what it knows of a message when it hands it on."""

from __future__ import annotations

import hashlib

import pytest

from mailward.adapters.scanners.frames import Examination
from mailward.app.inbound.ports import Judged, Place
from mailward.base.errors import Forbidden, MailwardError, Refused, Unavailable
from mailward.core.inbound.model import DmarcFacts, Mode, OnScannerDown, SpfFacts
from mailward.edges.smtpd.replies import translate
from mailward.policy import inbound
from mailward.policy.scanning import Report, Verdict, unavailable
from mailward.protocol.smtp.model import MailParams, Peer
from tests.app.inbound.inbound_rig import CLEAR, HOST, ONE, PLAIN, TLS, TWO, World, away, route


async def answer(world: World, **changes: object) -> bytes:
    """The reply to a transaction's first refusal, as the client reads it."""
    with pytest.raises(MailwardError) as caught:
        await world.send(**changes)  # type: ignore[arg-type]
    assert world.arrived == []
    assert world.refused == [caught.value.code]
    return translate(caught.value)


async def test_what_is_known_of_a_message() -> None:
    """How it came, what it says of itself, what the judges said and its digest arrive with its octets as they came."""
    world = World(
        judged=Judged(spf=SpfFacts("pass", "example.org"), field=f"Authentication-Results: {HOST}; spf=pass\r\n"),
        found=Examination(defects=("base64_junk",), notes=("archive_encrypted",)),
    )
    assert await world.send(session=TLS) == "rcv_1"
    (arrived,) = world.arrived
    f = arrived.facts
    assert (arrived.workspace, arrived.content, arrived.held) == (ONE, PLAIN, "")
    assert (f.helo, f.ip, f.tls_version, f.tls_cipher) == CLEAR._replace(
        tls_version=TLS.tls_version, tls_cipher=TLS.tls_cipher
    )[:4]
    assert (f.mail_from, f.recipients, f.header_from, f.subject) == (
        "a@example.org", ("b@in.test",), "Ann <a@example.org>", "Hello",
    )  # fmt: skip
    assert f.sha256 == hashlib.sha256(PLAIN).hexdigest()
    assert f.size == len(PLAIN)
    assert f.defects == ("base64_junk", "archive_encrypted")
    assert (f.spf.result, f.scan.verdict, f.scan.engines) == ("pass", "clean", ("yara",))
    results, received = f.trace.split("\r\n", 1)
    assert results == f"Authentication-Results: {HOST}; spf=pass"
    assert received.startswith("Received: from client.test ([192.0.2.7])\r\n\t(using TLSv1.3 with cipher TLS_AES_256")
    assert f"by {HOST} with ESMTPS id rcv_" in received
    assert "for <b@in.test>" in received


async def test_in_the_clear_it_says_so() -> None:
    """A message without TLS has empty TLS facts and an ESMTP trace."""
    world = World()
    await world.send()
    facts = world.arrived[0].facts
    assert (facts.tls_version, facts.tls_cipher) == ("", "")
    assert "with ESMTP id" in facts.trace and "using" not in facts.trace


async def test_several_recipients_are_not_told_of_each_other() -> None:
    """The trace names the recipient only when there is one."""
    world = World(places={a: Place(ONE, (route(),)) for a in ("b@in.test", "c@in.test")})
    await world.send(recipients=("b@in.test", "c@in.test"))
    assert "for <" not in world.arrived[0].facts.trace
    assert world.arrived[0].facts.recipients == ("b@in.test", "c@in.test")


async def test_refusals_at_rcpt() -> None:
    """An unknown address is 550 5.1.1, a foreign domain 550 5.7.1, and each says what is wrong."""
    assert (await answer(World(), recipients=("nobody@in.test",))).startswith(b"550 5.1.1 There is no such address")
    foreign = await answer(World(), recipients=("b@elsewhere.test",))
    assert foreign == b"550 5.7.1 Mail for this domain is not accepted here.\r\n"


async def test_a_route_that_requires_tls() -> None:
    """In the clear its recipient is refused with 530 5.7.0; over TLS it is taken."""
    world = World(places={"b@in.test": Place(ONE, (route(require_tls=True),))})
    assert (await answer(world)).startswith(b"530 5.7.0")
    world.refused.clear()
    assert await world.send(session=TLS) == "rcv_1"


@pytest.mark.parametrize(
    "other",
    [Place(TWO, (route("s", workspace=TWO),)), Place(ONE, (route("s", mode=Mode.IN_SESSION),))],
    ids=["another workspace", "an endpoint that answers in session"],
)
async def test_recipients_whose_answers_could_differ(other: Place) -> None:
    """The second of two recipients that cannot share one answer is told 452, and has a transaction of its own."""
    places = {"b@in.test": Place(ONE, (route(),)), "c@in.test": other}
    reply = await answer(World(places=places), recipients=("b@in.test", "c@in.test"))
    assert reply.startswith(b"452 4.5.3")
    assert await World(places=places).send(recipients=("c@in.test",)) == "rcv_1"


async def test_a_route_that_wants_to_be_asked() -> None:
    """Its endpoint hears recipient and sender, and its no is the answer to RCPT."""
    places = {"b@in.test": Place(ONE, (route(authorize_url="https://app.test/ask"),))}
    world = World(places=places)
    await world.send()
    assert world.asked == [("b@in.test", "a@example.org")]
    world = World(places=places, verdict=Refused("endpoint_refused", "We do not know you."))
    assert await answer(world) == b"554 5.7.1 We do not know you.\r\n"


async def test_returned_mail_goes_its_own_way() -> None:
    """A return-path address takes bounces whatever else is refused, and shares no transaction with other recipients."""
    world = World()
    assert await world.send(recipients=("b+abc@bounce.in.test",), sender="") == "ret_1"
    assert world.returned == [(["b+abc@bounce.in.test"], PLAIN)]
    reply = await answer(World(), recipients=("b+abc@bounce.in.test", "b@in.test"))
    assert reply.startswith(b"452 4.5.3")


async def test_loops_and_headers_past_the_caps() -> None:
    """Fifty-one relays are a loop; a header over 64 KiB or a thousand fields is refused before anything reads it."""
    line = b"Received: from a by b; Mon, 4 May 2026 12:00:00 +0000\r\n"
    assert await World().send(line * 50 + PLAIN) == "rcv_1"
    assert (await answer(World(), content=line * 51 + PLAIN)).startswith(b"554 5.4.6")
    assert (await answer(World(), content=b"X: " + b"y" * 70_000 + b"\r\n" + PLAIN)).startswith(b"552 5.3.4")
    assert (await answer(World(), content=b"X: y\r\n" * 1001 + PLAIN)).startswith(b"554 5.6.0")


async def test_a_header_with_raw_octets() -> None:
    """Octets above ASCII in a header without SMTPUTF8 are taken and named; with it they are as they should be."""
    content = PLAIN.replace(b"Hello", "Grüße".encode())
    world = World()
    await world.send(content)
    await world.send(content, smtputf8=True)
    assert [a.facts.defects for a in world.arrived] == [("header_8bit",), ()]
    assert world.arrived[1].facts.subject == "Grüße"


INFECTED = Examination(matches=(("eicar_test_file", "malware", "a.zip/e.com"),))


@pytest.mark.asvs("5.4.3")
async def test_malware_waits_for_a_person_or_is_refused() -> None:
    """By default it is held with the rule and the place of the match; with malware = "refuse" it is 554 5.7.0."""
    world = World(found=INFECTED)
    await world.send()
    assert world.arrived[0].held == "rule eicar_test_file matched in a.zip/e.com"
    assert world.arrived[0].facts.scan.matches == ("yara:eicar_test_file",)
    strict = World(found=INFECTED, terms=inbound.Terms(malware="refuse"))
    assert (await answer(strict)).startswith(b"554 5.7.0")


async def test_a_message_that_cannot_be_examined_is_kept() -> None:
    """What breaks its reader is neither lost nor handed over: it waits in quarantine."""
    world = World(unexaminable="reading it takes more memory than a message may use")
    await world.send()
    assert world.arrived[0].held.startswith("The message could not be examined: reading it takes more memory")
    assert world.arrived[0].facts.defects == ("unexaminable",)


@pytest.mark.asvs("16.5.2", "16.5.3")
async def test_a_scanner_that_is_down() -> None:
    """It is deferred with 451 4.7.0; where every route wants mail all the same it is taken and marked."""
    down = unavailable("clamd", "clamd cannot be reached")
    assert (await answer(World(reports=[down]))).startswith(b"451 4.7.0")
    willing = route(down=OnScannerDown.ACCEPT)
    world = World(reports=[down], places={"b@in.test": Place(ONE, (willing,))})
    await world.send()
    facts = world.arrived[0].facts
    assert (facts.scan.verdict, facts.scan.reason) == ("unavailable", "clamd cannot be reached")
    assert world.arrived[0].held == ""
    mixed = World(reports=[down], places={"b@in.test": Place(ONE, (willing, route("s")))})
    assert (await answer(mixed)).startswith(b"451 4.7.0")


async def test_spam_by_the_operator_s_choice() -> None:
    """Spam is held, refused or marked."""
    spam = Report("rspamd", Verdict.SPAM, "rspamd: reject, 15.0 of 15.0", (), 15.0, ("GTUBE(15.00)",))
    world = World(reports=[spam])
    await world.send()
    assert world.arrived[0].held == "rspamd: reject, 15.0 of 15.0"
    refusing = World(reports=[spam], terms=inbound.Terms(spam="refuse"))
    assert (await answer(refusing)).startswith(b"550 5.7.1")
    marking = World(reports=[spam], terms=inbound.Terms(spam="mark"))
    await marking.send()
    assert marking.arrived[0].held == ""
    assert (marking.arrived[0].facts.scan.verdict, marking.arrived[0].facts.scan.score) == ("spam", 15.0)


@pytest.mark.parametrize(
    ("result", "policy", "start"),
    [("fail", "reject", b"550 5.7.26"), ("temperror", "", b"451 4.4.3"), ("fail", "quarantine", b""),
     ("fail", "none", b"250"), ("pass", "reject", b"250")],
)  # fmt: skip
async def test_the_policy_of_the_sender_s_domain(result: str, policy: str, start: bytes) -> None:
    """It is told to the endpoint; with dmarc = "enforce" it is followed, and a doubt is deferred."""
    dmarc = Judged(dmarc=DmarcFacts(result, "example.org", policy))
    marked = World(judged=dmarc)
    await marked.send()
    assert (marked.arrived[0].facts.dmarc.result, marked.arrived[0].held) == (result, "")
    world = World(judged=dmarc, terms=inbound.Terms(dmarc="enforce"))
    if start in (b"250", b""):
        await world.send()
        assert bool(world.arrived[0].held) is (start == b"")
    else:
        assert (await answer(world)).startswith(start)


async def test_judges_that_take_too_long() -> None:
    """After the time for judging the sender is told to come again, with 451 4.3.2."""
    assert (await answer(World(slow=True))).startswith(b"451 4.3.2")


@pytest.mark.asvs("16.5.3")
async def test_what_cannot_be_recorded_is_not_accepted() -> None:
    """A store that is away is 451 4.3.0."""
    assert (await answer(World(verdict=away()))).startswith(b"451 4.3.0")


async def test_the_null_sender_is_welcome() -> None:
    """MAIL FROM:<> is a sender as any other."""
    world = World()
    await world.send(sender="")
    assert world.arrived[0].facts.mail_from == ""


async def test_a_second_transaction_knows_nothing_of_the_first() -> None:
    """MAIL forgets the recipients before it."""
    world = World()
    gate = world.gate()
    visitor = gate.network_principal(Peer("192.0.2.7", 1, 25))
    assert visitor is not None
    gate.introduce(visitor, CLEAR)
    gate.check_sender(visitor, "a@example.org", MailParams())
    gate.check_recipient(visitor, "b@in.test")
    gate.check_sender(visitor, "c@example.org", MailParams())
    assert visitor.places == {} and visitor.workspace is None


async def test_connections_are_counted_per_source() -> None:
    """The sixth connection of one address is told to come again."""
    gate = World().gate()
    for port in range(5):
        gate.connection_opened(Peer("192.0.2.7", port, 25))
    with pytest.raises(MailwardError):
        gate.connection_opened(Peer("192.0.2.7", 9, 25))
    gate.connection_closed(Peer("192.0.2.7", 0, 25))
    gate.connection_opened(Peer("192.0.2.7", 9, 25))


async def test_nobody_authenticates_at_an_mx() -> None:
    """The gate has no credentials to look at."""
    from mailward.base.secret import Secret

    with pytest.raises(Forbidden):
        await World().gate().authenticate("ann", Secret("x"), Peer("192.0.2.7", 1, 25))


def test_each_refusal_has_its_own_answer() -> None:
    """No two reasons share code and enhanced code, but where the registry has one for both."""
    codes = [
        "recipient_unknown", "relay_denied", "recipient_apart", "tls_required", "header_too_large", "too_many_headers",
        "malware_refused", "spam_refused", "dmarc_refused", "dmarc_unknown", "scanner_down", "judgement_slow",
        "endpoint_refused", "endpoint_deferred", "mail_loop",
    ]  # fmt: skip
    answers = {code: translate(Refused(code, "x")).split(b" x")[0] for code in codes}
    assert len(set(answers.values())) == len(codes) - 1, answers  # relaying and spam are both 550 5.7.1
    assert translate(Unavailable("other", "x")) == b"451 4.3.0 x\r\n"


async def test_a_report_has_a_transaction_of_its_own() -> None:
    """Mail for the address of reports goes to the register alone; other recipients are told to come apart."""
    world = World()
    assert await world.send(recipients=("report@in.test",)) == "rep_1"
    assert (world.reported, world.arrived) == ([PLAIN], [])
    for recipients in (
        ("report@in.test", "b@in.test"),
        ("b@in.test", "report@in.test"),
        ("report@in.test", "b+x@in.test"),
    ):
        apart = World()
        assert (await answer(apart, recipients=recipients)).startswith(b"452 4.5.3")
        assert apart.reported == []
