"""Verifying: the RFC's own messages, and everything that must not pass."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mailward.protocol.dkim import canonical, keys, reasons, signature
from mailward.protocol.dkim.verify import Verdict, verify
from mailward.protocol.dns import DnsAnswer, DnsStatus
from mailward.protocol.message import headers
from tests.protocol.dkim.conftest import NOW, Bench

PLAIN = b"From: a@example.com\r\nSubject: hi\r\n\r\nbody\r\n"

# RFC 8463 appendix A.
RFC8463_RECORDS = {
    "brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test._domainkey.football.example.com": (
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"
        "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kry"
        "OTIKT+l/K4w3QIDAQAB"
    ),
}
RFC8463_MESSAGE = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")


def test_the_message_of_rfc_8463(bench: Bench) -> None:
    """Both signatures of RFC 8463 appendix A pass."""
    verdicts = bench.verify(RFC8463_MESSAGE, RFC8463_RECORDS)
    assert [(v.result, v.algorithm, v.key_bits) for v in verdicts] == [
        ("pass", "ed25519-sha256", 256),
        ("pass", "rsa-sha256", 1024),
    ]


def by_hand(
    bench: Bench,
    change: dict[str, str | None],
    content: bytes = PLAIN,
    private: bytes | None = None,
    *,
    simple: bool = False,
    body_for_hash: bytes | None = None,
) -> bytes:
    """A message signed tag by tag, so that a genuine signature stands over whatever the tags say."""
    parsed = headers.split(content)
    body = content[parsed.body_offset :] if body_for_hash is None else body_for_hash
    whole = canonical.simple_body(body) if simple else canonical.relaxed_body(body)
    usual: dict[str, str | None] = {
        "v": "1", "a": "rsa-sha256", "c": "simple/simple" if simple else "relaxed/relaxed", "d": "example.com",
        "s": "r1",
        "h": "from:subject", "bh": base64.b64encode(hashlib.sha256(whole).digest()).decode(),
    }  # fmt: skip
    tags = usual | change
    text = "; ".join(f"{name}={value}" for name, value in tags.items() if value is not None)
    field = f"DKIM-Signature: {text}; b=".encode()
    out = []
    for name in (tags["h"] or "").lower().split(":"):
        found = headers.find(parsed, name.strip().encode())
        if found:
            out.append(found[-1] if simple else canonical.relaxed_header(name.strip().encode(), found[-1]))
    out.append(field if simple else canonical.relaxed_header(b"dkim-signature", field + b"\r\n")[:-2])
    key = serialization.load_der_private_key(private or bench.private, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = key.sign(b"".join(out), padding.PKCS1v15(), hashes.SHA256())
    return field + binascii.b2a_base64(signature, newline=False) + b"\r\n" + content


def only(verdicts: list[Verdict]) -> tuple[str, str]:
    """Result and reason of the one verdict."""
    (verdict,) = verdicts
    return verdict.result, verdict.reason


def test_the_control(bench: Bench) -> None:
    """What the tests below change passes unchanged, relaxed and simple."""
    assert only(bench.verify(by_hand(bench, {}))) == ("pass", "")
    assert only(bench.verify(by_hand(bench, {}, simple=True))) == ("pass", "")
    assert only(bench.verify(by_hand(bench, {"x": str(int(NOW.timestamp()) + 9), "t": "1", "q": "dns/txt"}))) == (
        "pass",
        "",
    )
    assert only(bench.verify(by_hand(bench, {"i": "u@sub.example.com", "z": "whatever"}))) == ("pass", "")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"l": "4"}, ("fail", "body_length")),
        ({"l": "0"}, ("fail", "body_length")),
        ({"a": "rsa-sha1"}, ("fail", "sha1")),
        ({"a": "rsa-sha512"}, ("permerror", "algorithm_unknown")),
        ({"h": "subject"}, ("permerror", "from_not_signed")),
        ({"h": "from::subject"}, ("permerror", "header_list_invalid")),
        ({"x": "1000"}, ("fail", "expired")),
        ({"t": "100", "x": "100"}, ("permerror", "time_invalid")),
        ({"t": "9999999999"}, ("fail", "from_the_future")),
        ({"t": "soon"}, ("permerror", "time_invalid")),
        ({"v": "2"}, ("permerror", "version")),
        ({"v": None}, ("permerror", "version")),
        ({"d": None}, ("permerror", "tag_missing")),
        ({"s": None}, ("permerror", "tag_missing")),
        ({"bh": None}, ("permerror", "tag_missing")),
        ({"bh": "!"}, ("permerror", "base64_invalid")),
        ({"i": "a@other.example"}, ("permerror", "identity_outside_domain")),
        ({"i": "a@notexample.com"}, ("permerror", "identity_outside_domain")),
        ({"c": "strict/relaxed"}, ("permerror", "canonicalization_unknown")),
        ({"q": "http"}, ("permerror", "query_unknown")),
        ({"d": "com"}, ("permerror", "domain_invalid")),
        ({"d": "exa mple.com"}, ("permerror", "domain_invalid")),
        ({"s": "../r1"}, ("permerror", "domain_invalid")),
        ({"d": "x." * 120 + "example.com"}, ("permerror", "domain_invalid")),
        ({"s": "r1; s=r1"}, ("permerror", "syntax")),
        ({"s": "missing"}, ("permerror", "key_missing")),
    ],
)
def test_tags_that_must_not_pass(bench: Bench, change: dict[str, str | None], expected: tuple[str, str]) -> None:
    """A genuine signature whose tags break a rule of RFC 6376 or 8301 does not pass."""
    assert only(bench.verify(by_hand(bench, change))) == expected


def test_key_records(bench: Bench) -> None:
    """Revoked, wrong, restricted and broken keys are told apart; t=y and g= do not hinder."""
    signed = by_hand(bench, {"i": "@sub.example.com"})
    good = bench.records["r1._domainkey.example.com"]
    p = good.partition("p=")[2]
    for record, expected in {
        good: ("pass", ""),
        f"p={p}": ("pass", ""),
        f"v=DKIM1; t=y; g=nobody; n=note; h=sha1:sha256; s=email; p={p}": ("pass", ""),
        "v=DKIM1; p=": ("permerror", "key_revoked"),
        "v=DKIM1": ("permerror", "key_syntax"),
        f"v=DKIM2; p={p}": ("permerror", "key_version"),
        f"p={p}; v=DKIM1": ("permerror", "key_version"),
        f"v=DKIM1; k=ed25519; p={p}": ("permerror", "key_type_mismatch"),
        f"v=DKIM1; h=sha1; p={p}": ("permerror", "key_hash_mismatch"),
        f"v=DKIM1; s=tlsrpt; p={p}": ("permerror", "key_service_mismatch"),
        f"v=DKIM1; t=s; p={p}": ("permerror", "identity_not_exact"),
        f"v=DKIM1; p={p}; p={p}": ("permerror", "key_syntax"),
        "v=DKIM1; p=AAAA": ("permerror", "key_syntax"),
        "v=DKIM1; p=====": ("permerror", "key_syntax"),
        "": ("permerror", "key_syntax"),
    }.items():
        assert only(bench.verify(signed, {"r1._domainkey.example.com": record})) == expected, record


def test_short_keys_fail(bench: Bench) -> None:
    """RFC 8301: under 1,024 bits is no key, whatever it signed."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signed = by_hand(bench, {}, private=private)
    assert only(bench.verify(signed, {"r1._domainkey.example.com": keys.record(private)})) == ("pass", "")
    # 512 bits, made by OpenSSL, as libraries no longer make such keys.
    short = (
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANQNRKOtPx9mC2cNCr5Zm8bqtbb0NFEbjy5Uv8mvjRMKGKjLbSdUk8w8tOgm4PzGDVYZ4CiqkUBXM"
        "x7vUmBOGvECAwEAAQ=="
    )
    assert only(bench.verify(signed, {"r1._domainkey.example.com": f"v=DKIM1; p={short}"}))[0] == "permerror"


def test_dns_that_is_away_is_temporary(bench: Bench) -> None:
    """servfail and timeout end in temperror, never in fail."""
    parsed = headers.split(by_hand(bench, {}))
    body = by_hand(bench, {})[parsed.body_offset :]
    statuses: tuple[DnsStatus, ...] = ("servfail", "timeout")
    for status in statuses:
        lookup = verify(parsed.fields, body, NOW)
        next(lookup)
        with pytest.raises(StopIteration) as done:
            lookup.send(DnsAnswer(status))
        assert only(done.value.value) == ("temperror", "key_unavailable")


def test_a_hundred_signatures_cost_ten_look_ups(bench: Bench) -> None:
    """Only the topmost ten are looked at, the rest are reported as policy."""
    block = bench.sign(PLAIN)[: -len(PLAIN)]
    bench.asked.clear()
    verdicts = bench.verify(block * 50 + PLAIN)
    assert len(bench.asked) == 10
    assert [v.result for v in verdicts] == ["pass"] * 10 + ["policy"] * 90


def test_a_changed_body_asks_no_dns(bench: Bench) -> None:
    """The body hash is compared first."""
    bench.asked.clear()
    assert [v.reason for v in bench.verify(bench.sign(PLAIN) + b"more\r\n")] == ["body_hash", "body_hash"]
    assert not bench.asked


def test_clock_skew_is_allowed(bench: Bench) -> None:
    """A signer five minutes ahead still passes; a day ahead does not."""
    signed = bench.sign(PLAIN, NOW + timedelta(minutes=4))
    assert bench.verify(signed)[0].result == "pass"
    assert bench.verify(bench.sign(PLAIN, NOW + timedelta(days=1)))[0].reason == "from_the_future"


def test_unsigned_mail_has_no_verdict(bench: Bench) -> None:
    """No signature, no verdict, no look-up."""
    assert bench.verify(PLAIN, now=datetime(2026, 1, 1, tzinfo=UTC)) == []


def test_each_reason_has_a_sentence() -> None:
    """Whatever reason a verdict can carry, there is a sentence for the person who reads it."""
    source = "".join(path.read_text() for path in Path(signature.__file__).parent.glob("*.py"))
    codes = set(re.findall(r'"(?:permerror|fail|policy|temperror)", "([a-z0-9_]+)"', source)) - {"policy", "temperror"}
    assert len(codes) > 25
    for code in ("", *codes):
        assert reasons.sentence(code).endswith(".")


def test_what_a_replay_shows(bench: Bench) -> None:
    """A verdict says when the signature was made, how long it shall hold, and what it leaves open."""
    moment = int(NOW.timestamp())
    tags: dict[str, str | None] = {"t": str(moment - 9), "x": str(moment + 9), "h": "from"}
    (verdict,) = bench.verify(by_hand(bench, tags))
    assert (verdict.result, verdict.signed_at, verdict.expires_at) == ("pass", moment - 9, moment + 9)
    assert verdict.uncovered == ("subject",)
    assert len(verdict.value) == 8
    assert bench.verify(bench.sign(PLAIN))[0].uncovered == ()


def test_a_settled_signature_still_names_its_domain(bench: Bench) -> None:
    """Who signed with l= or sha1 is told, although no key is asked for."""
    (verdict,) = bench.verify(by_hand(bench, {"l": "4"}))
    assert (verdict.result, verdict.domain, verdict.selector) == ("fail", "example.com", "r1")
