"""Forged mail and hostile DNS against SPF, DKIM, DMARC, ARC and Authentication-Results, all at the whole judgement.

Each attack is the one change that separates it from mail that passes: the control stands beside it.
"""

from __future__ import annotations

import base64
import hashlib

import pytest

from mailward.protocol.arc.seal import seal
from mailward.protocol.arc.validate import Verdict as ArcVerdict
from mailward.protocol.authentication.model import Verdicts
from mailward.protocol.authentication.results import results
from mailward.protocol.authres.build import build
from mailward.protocol.authres.read import parse, strip
from mailward.protocol.dkim.sign import Signer
from mailward.protocol.message import headers
from tests.protocol.authentication.rig import BODY, NOW, Host, ed25519, header, signed
from tests.spent import within

EVIL = {"mail_from": "x@evil.test", "client": "198.51.100.9", "helo": "evil.test"}


def by_hand(
    content: bytes, names: str, *, more: str = "", domain: str = "example.com", body: bytes | None = None
) -> bytes:
    """The message with a genuine signature over just these fields (and, for l=, just this body)."""
    parsed = headers.split(content, tolerant=True)
    covered = content[parsed.body_offset :] if body is None else body
    digest = base64.b64encode(hashlib.sha256(covered).digest()).decode()
    field = (
        f"DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d={domain}; s=s; h={names}; {more}bh={digest}; b="
    ).encode()
    stacks: dict[bytes, list[bytes]] = {}
    for name, raw in parsed.fields:
        stacks.setdefault(name, []).append(raw)
    data = b"".join(stacks[n].pop() for n in names.lower().encode().split(b":") if stacks.get(n)) + field
    signer: Signer = ed25519(domain)[0]
    return field + base64.b64encode(signer.key.sign(data)) + b"\r\n" + content


def dmarc(verdicts: Verdicts) -> str:
    """DMARC's result."""
    return verdicts.dmarc.result


def test_control() -> None:
    """The messages the attacks start from pass."""
    assert dmarc(Host().judge(signed(header() + BODY, "example.com"), **EVIL)) == "pass"
    assert dmarc(Host().judge(by_hand(header() + BODY, "from:to:subject"), **EVIL)) == "pass"
    assert dmarc(Host().judge(header() + BODY)) == "pass"


# Composition kills (Chen, Paxson, Jiang 2020): readers that disagree on who the author is.
AUTHORS = [
    b"From: ceo@example.com\r\nFrom: x@evil.test\r\n",
    b"From: x@evil.test\r\nFrom: ceo@example.com\r\n",
    b"From : ceo@example.com\r\nFrom: x@evil.test\r\n",
    b"From: x@evil.test\r\nfrom \t: ceo@example.com\r\n",
    b"From: ceo@example.com, x@evil.test\r\n",
    b"From: x@evil.test, ceo@example.com\r\n",
    b"From: <ceo@example.com>, <x@evil.test>\r\nSender: x@evil.test\r\n",
    b"From: <ceo@example.com>x@evil.test\r\n",
    b"From: ceo@example.com(x@evil.test)\r\n",
    b"From: x@evil.test(,ceo@example.com,)\r\n",
    b"From: <@example.com,@b:x@evil.test>\r\n",
    b"From: <ceo@example.com:x@evil.test>\r\n",
    b"From: <ceo@example.com\\>x@evil.test>\r\n",
    b"From: <ceo@example.com\0x@evil.test>\r\n",
    b'From: "<ceo@example.com>" x@evil.test\r\n',
    b"From: ceo@example.com <x@evil.test>\r\n",
    b"From: <ceo@example.com> <x@evil.test>\r\n",
    b"From: =?utf-8?b?PGNlb0BleGFtcGxlLmNvbT4=?= x@evil.test\r\n",
    b"From: Undisclosed: ceo@example.com, x@evil.test;\r\n",
    b"From:\r\n",
    b"From: \r\n ceo@example.com\r\n x@evil.test\r\n",
    b"From: ceo@example.com\x0b, x@evil.test\r\n",
    b"From: ceo@example.com@evil.test\r\n",
    b"From: ceo@evil.test\xe3\x80\x82example.com, x@evil.test\r\n",
    b"\xef\xbb\xbfFrom: ceo@example.com\r\n",
    b"",
]


@pytest.mark.claim("EMAIL-3")
@pytest.mark.parametrize("authors", AUTHORS, ids=range(len(AUTHORS)))
def test_ambiguous_authors_never_pass(authors: bytes) -> None:
    """Signed and sent with SPF by the attacker's own domain, no spelling of two authors passes DMARC."""
    content = authors + b"To: b@example.net\r\nSubject: Pay\r\n\r\n" + BODY
    host = Host({"_dmarc.evil.test": {"TXT": ["v=DMARC1; p=none"]}})
    for message in (signed(content, "evil.test"), by_hand(content, "from:subject", domain="evil.test"), content):
        assert dmarc(host.judge(message, **EVIL)) == "fail"


@pytest.mark.parametrize(
    "value",
    [b'"ceo@example.com" <x@evil.test>', b"=?utf-8?q?ceo=40example=2Ecom?= <x@evil.test>", b"x@evil.test (ceo)"],
)
def test_display_names_speak_for_nobody(value: bytes) -> None:
    """A name that shows another address leaves the author the one in the address: the attacker's own."""
    content = b"From: " + value + b"\r\nSubject: Pay\r\n\r\n" + BODY
    verdicts = Host({"_dmarc.evil.test": {"TXT": ["v=DMARC1; p=none"]}}).judge(signed(content, "evil.test"), **EVIL)
    assert (verdicts.dmarc.author, verdicts.dmarc.result) == ("evil.test", "pass")


@pytest.mark.parametrize("name", ["Subject", "Reply-To", "To", "Date", "Sender"])
@pytest.mark.parametrize("below", [False, True])
def test_a_second_field(name: str, below: bool) -> None:
    """A replay with a second Subject, Reply-To or the like, above or below, signed or not, does not pass."""
    extra = f"{name}: evil\r\n".encode()
    control = by_hand(header(extra=b"Reply-To: a@example.com\r\nDate: d\r\nSender: a@example.com\r\n") + BODY,
                      "from:subject:reply-to:date:sender:to")  # fmt: skip
    assert dmarc(Host().judge(control, **EVIL)) == "pass"
    attack = control.replace(b"\r\n\r\n", b"\r\n" + extra + b"\r\n", 1) if below else extra + control
    verdicts = Host().judge(attack, **EVIL)
    assert verdicts.dmarc.result == "fail"
    assert verdicts.dkim[0].result in ("policy", "fail")


def test_a_body_that_grows_behind_l() -> None:
    """l= covers a beginning only: what is added behind it makes the signature worth nothing, and so does l= alone."""
    content = header() + BODY
    for attack in (content + b"<a href=evil>click</a>\r\n", content):
        verdicts = Host().judge(by_hand(attack, "from:subject", more=f"l={len(BODY)}; ", body=BODY), **EVIL)
        assert (verdicts.dkim[0].result, verdicts.dkim[0].reason, verdicts.dmarc.result) == (
            "fail", "body_length", "fail",
        )  # fmt: skip


def test_unsigned_fields_of_a_replay_are_named() -> None:
    """A replayed message passes, as it must; the verdict says what anybody could have changed, and its age."""
    verdicts = Host().judge(
        b"Reply-To: x@evil.test\r\n" + by_hand(header() + BODY, "from:subject", more="t=9; "), **EVIL
    )
    assert (verdicts.dkim[0].result, verdicts.dkim[0].signed_at) == ("pass", 9)
    assert verdicts.dkim[0].uncovered == ("reply-to", "to")


@pytest.mark.parametrize(
    ("more", "names", "result"),
    [
        ("x=1000; ", "from", "fail"),
        ("t=9999999999; ", "from", "fail"),
        ("", "subject", "permerror"),
        ("d=example.com; ", "from", "permerror"),
        ("i=@evil.test; ", "from", "permerror"),
        ("s=nothere; ", "from", "permerror"),
        ("q=http; ", "from", "permerror"),
    ],
)
def test_tags(more: str, names: str, result: str) -> None:
    """Expired, from the future, without From, tags twice, another's identity: genuine signatures that prove nothing."""
    verdicts = Host().judge(by_hand(header() + BODY, names, more=more), **EVIL)
    assert (verdicts.dkim[0].result, verdicts.dmarc.result) == (result, "fail")


def test_a_hundred_signatures() -> None:
    """Ten are looked at; the eleventh, though genuine, counts as not looked at, and the look-ups stay few."""
    junk = b"".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=d%d.evil.test; s=s; h=from; bh=%b; b=AAAA\r\n"
        % (n, base64.b64encode(hashlib.sha256(BODY).digest()))
        for n in range(100)
    )
    host = Host()
    verdicts = host.judge(junk + signed(header() + BODY, "example.com"), **EVIL)
    assert len(verdicts.dkim) == 101 and verdicts.dkim[-1].result == "policy"
    assert verdicts.dmarc.result == "fail"
    assert sum("_domainkey" in query.name for query in host.asked) == 10


@pytest.mark.parametrize(
    "record",
    [
        "v=DKIM1; p=",
        "v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANQNRKOtPx9mC2cNCr5Zm8bqtbb0NFEbjy5Uv8mvjRMKGKjLbSdUk8w8tOg"
        "m4PzGDVYZ4CiqkUBXMx7vUmBOGvECAwEAAQ==",
        "v=DKIM1; k=ed25519; p=" + "A" * 60000,
        "v=DKIM1; " + "; ".join(f"n{i}=x" for i in range(9000)),
        ";" * 64000,
        "\0" * 1000,
    ],
    ids=["revoked", "512 bits", "huge p", "many tags", "semicolons", "NUL"],
)
def test_hostile_keys(record: str) -> None:
    """Revoked, short, huge and senseless key records end in permerror at once."""
    host = Host({"s._domainkey.example.com": {"TXT": [record]}})
    content = signed(header() + BODY, "example.com")
    verdicts = within(1, lambda: host.judge(content, **EVIL))
    assert (verdicts.dkim[0].result, verdicts.dmarc.result) == ("permerror", "fail")


def test_alias_loops() -> None:
    """CNAME loops at the key, the policy and an SPF target are temporary errors, never a pass."""
    loop = {"CNAME": ["loop.evil.test"]}
    host = Host({"loop.evil.test": loop, "s._domainkey.example.com": loop})
    verdicts = host.judge(signed(header() + BODY, "example.com"), **EVIL)
    assert (verdicts.dkim[0].result, verdicts.dmarc.result) == ("temperror", "temperror")
    host = Host({"loop.evil.test": loop, "_dmarc.example.com": loop, "evil.test": {"TXT": ["v=spf1 a:loop.evil.test"]}})
    verdicts = host.judge(header() + BODY, **EVIL)
    assert (verdicts.spf.result, verdicts.dmarc.result) == ("temperror", "temperror")


def spf_of(policy: str | list[str], more: dict[str, dict[str, object]] | None = None) -> tuple[str, int]:
    """Result and number of questions of an attacker's SPF policy, which takes less than a second."""
    host = Host({"evil.test": {"TXT": [policy] if isinstance(policy, str) else policy}} | (more or {}))
    sender = ("l" * 60) + "@evil.test"

    def judge() -> Verdicts:
        host.asked.clear()
        return host.judge(header("nodmarc.test") + BODY, mail_from=sender, client="2001:db8::1")

    return within(1, judge).spf.result, len(host.asked)


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        ("v=spf1 include:evil.test -all", "permerror"),
        ("v=spf1 redirect=evil.test", "permerror"),
        ("v=spf1 include:a.evil.test -all", "permerror"),
        ("v=spf1 " + "exists:%{i}.e.evil.test " * 100 + "-all", "permerror"),
        ("v=spf1 a:n1.test a:n2.test a:n3.test +all", "permerror"),
        ("v=spf1 " + "a:evil.test " * 11 + "+all", "permerror"),
        ("v=spf1 " + "ip4:192.0.2.1 " * 6000 + "+all", "permerror"),
        ("v=spf1 " + "x" * 65000, "permerror"),
        ("v=spf1 exists:" + "%{s}" * 900 + ".test +all", "pass"),
        ("v=spf1 exists:" + "%{s1r-+,/_=}" * 300 + ".test -all", "fail"),
        ("v=spf1 exists:%{d" + "9" * 3000 + "}.test -all", "fail"),
        ("v=spf1 a:" + "a." * 1500 + "test -all", "fail"),
        ("v=spf1 a:%{" + "-" * 3000 + "}.test -all", "permerror"),
        ("v=spf1 ptr:%{p} %{p}=x -all", "permerror"),
        ("v=spf1 a:x." + "a" * 4000 + "!", "permerror"),
        ("v=spf1 a:x." + "a-" * 2000 + "!", "permerror"),
        ("v=spf1 a:x" + "/1" * 2000 + "!", "permerror"),
        ("v=spf1 " + "-" * 4000, "permerror"),
        ("v=spf1 unknown=" + "%" * 3001, "permerror"),
    ],
)
def test_spf_bombs(policy: str, result: str) -> None:
    """Loops, endless terms, void hosts, 64 KiB texts and macro bombs end within a second and a few questions."""
    more: dict[str, dict[str, object]] = {
        "a.evil.test": {"TXT": ["v=spf1 include:b.evil.test ?all"]},
        "b.evil.test": {"TXT": ["v=spf1 redirect=a.evil.test"]},
    }
    got, questions = spf_of(policy, more)
    assert got == result
    assert questions <= 40


def test_spf_hosts() -> None:
    """Eleven hosts of an MX are a permerror; of eleven PTR names ten are looked at."""
    mx: dict[str, dict[str, object]] = {"m.evil.test": {"MX": [(n, f"h{n}.evil.test") for n in range(11)]}}
    assert spf_of("v=spf1 mx:m.evil.test +all", mx)[0] == "permerror"
    pointer = "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa"
    names: dict[str, dict[str, object]] = {pointer: {"PTR": [f"h{n}.evil.test" for n in range(200)]}}
    result, questions = spf_of("v=spf1 ptr -all", names)
    assert result == "fail" and questions < 25


def test_two_policies() -> None:
    """Two SPF records are a permerror; two DMARC records are none."""
    assert spf_of(["v=spf1 +all", "v=spf1 -all"])[0] == "permerror"
    host = Host({"_dmarc.example.com": {"TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}})
    assert host.judge(header() + BODY, **EVIL).dmarc.result == "none"


def test_a_long_author_walks_eight_steps() -> None:
    """128 labels cost eight questions for the policy."""
    host = Host()
    host.judge(header("a." * 120 + "example.com") + BODY, mail_from="", helo="h")
    assert sum(query.name.startswith("_dmarc.") for query in host.asked) == 8


def test_a_huge_dmarc_record() -> None:
    """64 KiB at _dmarc is no policy, and read at once."""
    host = Host({"_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; rua=" + "mailto:a@b.test," * 4000]}})
    assert within(1, lambda: host.judge(header() + BODY)).dmarc.result == "none"


def arc_chain(count: int) -> bytes:
    """A message with that many sets, each claiming what a genuine chain would."""
    return b"".join(
        b"ARC-Seal: i=%d; a=rsa-sha256; cv=%b; d=evil.test; s=k%d; b=AAAA\r\n"
        b"ARC-Message-Signature: i=%d; a=rsa-sha256; d=evil.test; s=k%d; h=from; bh=AAAA; b=AAAA\r\n"
        b"ARC-Authentication-Results: i=%d; mx.evil.test; dmarc=pass header.from=example.com\r\n"
        % (n, b"none" if n == 1 else b"pass", n, n, n, n)
        for n in range(count, 0, -1)
    )


@pytest.mark.parametrize("count", [50, 51, 99, 200])
def test_long_arc_chains(count: int) -> None:
    """Fifty sets are read, more are a fail; a chain of nonsense costs no look-up when its body hash is wrong."""
    host = Host()
    verdicts = host.judge(arc_chain(count) + header() + BODY, **EVIL, trusted=["evil.test"])
    assert (verdicts.arc.result, verdicts.dmarc.disposition) == ("fail", "reject")
    assert not [query for query in host.asked if query.name.startswith("k")]


@pytest.mark.parametrize(
    "forged",
    [
        arc_chain(3).replace(b"i=2", b"i=4"),
        arc_chain(2) + arc_chain(1),
        arc_chain(1).replace(b"ARC-Message-Signature", b"X"),
        arc_chain(1).replace(b"ARC-Authentication-Results", b"X"),
        arc_chain(1).replace(b"cv=none", b"cv=pass"),
        arc_chain(2).replace(b"cv=pass", b"cv=fail"),
        arc_chain(1).replace(b"i=1", b"i=0"),
        arc_chain(1).replace(b"i=1", b"i=1; i=1"),
        b"ARC-Seal: " + b";" * 60000 + b"\r\n",
    ],
    ids=["gap", "twice", "no AMS", "no AAR", "cv", "cv=fail", "zero", "two i", "semicolons"],
)
def test_arc_structure(forged: bytes) -> None:
    """Gaps, doubles, missing parts and wrong states fail, whoever is trusted."""
    verdicts = Host().judge(forged + header() + BODY, **EVIL, trusted=["evil.test"])
    assert (verdicts.arc.result, verdicts.dmarc.disposition) == ("fail", "reject")


def test_a_genuine_chain_of_an_unlisted_sealer() -> None:
    """Anybody can seal a lie: unlisted, it is shown and not believed; one listed hand of two is not enough."""
    host = Host({f"s._domainkey.{name}": {"TXT": [ed25519(name)[1]]} for name in ("evil.test", "list.test")})
    content = header() + BODY
    for name in ("evil.test", "list.test"):
        parsed = headers.split(content)
        chain = ArcVerdict("none", "") if name == "evil.test" else host.judge(content, **EVIL).arc
        says = b"mx.evil.test; dmarc=pass header.from=example.com"
        content = seal(parsed.fields, BODY, results=says, chain=chain, signer=ed25519(name)[0], now=NOW) + content
        verdicts = host.judge(content, **EVIL, trusted=["list.test"])
        assert (verdicts.arc.result, verdicts.dmarc.disposition) == ("pass", "reject")
    assert host.judge(content, **EVIL, trusted=["list.test", "evil.test"]).dmarc.disposition == "none"


def test_forged_results_with_nested_comments() -> None:
    """A hundred thousand nested comments, quotes and escapes around our name are taken away in no time."""
    nest = [b"(" * 30000 + b")" * 30000, b"(" * 60000, b'"\\' * 30000, b"(\\" * 30000, b";" * 60000]
    content = b"".join(b"Authentication-Results: %b mx.ours.example; dmarc=pass\r\n" % each for each in nest)
    content += b"From: a@example.com\r\n\r\n"
    fields = [(b"authentication-results", line + b"\r\n") for line in content.split(b"\r\n")[: len(nest)]]
    assert within(0.5, lambda: strip(fields, ["mx.ours.example"])) == []
    assert within(0.5, lambda: [parse(raw) for _, raw in fields]) == [None] * len(nest)


def test_envelope_and_dns_words_cannot_write_our_results() -> None:
    """A MAIL FROM, a HELO and an SPF explanation with quotes, semicolons and line breaks stay inside their values."""
    nasty = 'a"; dmarc=pass header.from=bank.test (\\'
    host = Host(
        {"evil.test": {"TXT": ["v=spf1 -all exp=e.evil.test"]}, "e.evil.test": {"TXT": ['"; dmarc=pass \r\n x']}}
    )
    for mail_from, helo in ((nasty + "@evil.test", nasty), ("x\r\ny@evil.test", "h\r\nBcc: z"), ("ü@evil.test", "ü")):
        received = host.received(header() + BODY, mail_from=mail_from, client="198.51.100.9", helo=helo)
        verdicts = host.judge(header() + BODY, mail_from=mail_from, client="198.51.100.9", helo=helo)
        field = build(results(verdicts, received, "mx.ours.example"))
        again = parse(field)
        assert again is not None
        assert [r.result for r in again.results if r.method == "dmarc"] == ["fail"]
        assert len(headers.split(field + b"\r\n").fields) == 1
        assert field.isascii()


def test_dns_answers_of_the_wrong_kind() -> None:
    """Texts that are no records, in any octets, leave every check at none and nothing raises."""
    noise = [bytes(range(256)), b"", b"v=spf1\xff", b"v=DMARC1\0", b"v=DKIM1;p=\xff" * 200]
    data: dict[str, dict[str, object]] = {
        name: {"TXT": noise} for name in ("example.com", "_dmarc.example.com", "s._domainkey.example.com")
    }
    verdicts = Host(data).judge(signed(header() + BODY, "example.com"))
    assert (verdicts.spf.result, verdicts.dkim[0].result, verdicts.dmarc.result) == ("none", "permerror", "none")
