"""Sealing: what we add validates here and with dkimpy, however often it is passed on."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import dkim  # type: ignore[import-untyped]
import pytest

from mailward.protocol.arc.seal import seal
from mailward.protocol.arc.validate import Verdict, validate
from mailward.protocol.dkim import keys
from mailward.protocol.dkim.sign import Signer
from mailward.protocol.message import headers
from tests.protocol.zones import Zone

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MESSAGE = (
    b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=x; h=from; bh=AAAA; b=AAAA\r\n"
    b"From: Alice <alice@example.com>\r\nTo: bob@example.net\r\nSubject: Hello\r\n  folded\tonce\r\n"
    b"Date: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nFirst  line \r\n\r\n"
)
RESULTS = b"mx.example.net;\r\n dkim=pass header.d=example.com;\r\n dmarc=pass header.from=example.com"


@cache
def key(kind: Any) -> tuple[Signer, str]:
    """A signer and its record, made once."""
    private, record = keys.generate(kind)
    return Signer("seal.example", kind[:3], keys.load(private)), record


def zone() -> Zone:
    """Both sealing keys published."""
    return Zone.texts({f"{k[:3]}._domainkey.seal.example": key(k)[1] for k in ("rsa-sha256", "ed25519-sha256")})


def judge(content: bytes) -> Verdict:
    """Our verdict."""
    parsed = headers.split(content, tolerant=True)
    return zone().run(validate(parsed.fields, content[parsed.body_offset :]))


def sealed(content: bytes, kind: str = "rsa-sha256") -> bytes:
    """The message with one more set."""
    parsed = headers.split(content, tolerant=True)
    return (
        seal(parsed.fields, content[parsed.body_offset :], results=RESULTS, chain=judge(content), signer=key(kind)[0],
             now=NOW) + content
    )  # fmt: skip


def dkimpy(content: bytes) -> bytes | None:
    """dkimpy's cv of the chain."""
    texts = {f"{name}.".encode(): text["TXT"][0].encode() for name, text in zone().data.items()}
    result: bytes | None = dkim.arc_verify(content, dnsfunc=lambda name, timeout=5: texts.get(name))[0]
    return result


def test_each_hop_holds() -> None:
    """One, two and three seals of ours pass here and with dkimpy; a listed sealer can read what each hop said."""
    content = MESSAGE
    for hop in (1, 2, 3):
        content = sealed(content)
        verdict = judge(content)
        assert (verdict.result, verdict.instances, verdict.from_signed) == ("pass", hop, True), verdict
        assert verdict.results == (RESULTS.replace(b"\r\n", b""),) * hop
        assert dkimpy(content) == b"pass"


def test_ed25519() -> None:
    """A chain of both algorithms passes."""
    assert judge(sealed(sealed(MESSAGE, "ed25519-sha256"))).result == "pass"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"First  line", b"First line!"),
        (b"Subject: Hello", b"Subject: Hullo"),
        (b"alice@example.com", b"mallory@example.com"),
        (b"dmarc=pass header.from=example.com", b"dmarc=pass header.from=bank.example"),
        (b"cv=pass", b"cv=none"),
    ],
)
def test_a_change_breaks_it(old: bytes, new: bytes) -> None:
    """A change of body, signed header, result or status fails the chain; ours then seals it as failed, once."""
    content = sealed(sealed(MESSAGE))
    assert old in content
    broken = content.replace(old, new)
    assert judge(broken).result == "fail"
    assert dkimpy(broken) == b"fail"
    added = sealed(broken)
    assert b"cv=fail" in added.split(b"ARC-Message-Signature", 1)[0]
    assert added.startswith(b"ARC-Seal: i=3;")
    verdict = judge(added)
    assert verdict.result == "fail" and verdict.terminated
    assert sealed(added) == added
    assert dkimpy(added) is None  # dkimpy's way to say that the chain ended earlier


def test_a_removed_or_reordered_set_breaks_it() -> None:
    """A gap in the chain, or the oldest set taken away, fails; the order in the header does not matter."""
    content = sealed(sealed(MESSAGE))
    parsed = headers.split(content)
    arc = [raw for name, raw in parsed.fields if name.startswith(b"arc-")]
    rest = content[content.index(b"DKIM-Signature") :]
    assert judge(b"".join(reversed(arc)) + rest).result == "pass"
    assert judge(b"".join(arc[:3]) + rest).result == "fail"
    assert judge(b"".join(arc[:5]) + rest).result == "fail"
    assert judge(b"".join(arc[3:]) + rest).result == "pass"  # as it was before the second hop


def test_dns_that_is_away_seals_nothing() -> None:
    """A key that cannot be asked for is a temporary fail, and no lasting cv=fail is written because of it."""
    content = sealed(MESSAGE)
    parsed = headers.split(content)
    body = content[parsed.body_offset :]
    verdict = Zone({"rsa._domainkey.seal.example": {"TXT": "SERVFAIL"}}).run(validate(parsed.fields, body))
    assert verdict.result == "fail" and verdict.temporary
    assert seal(parsed.fields, body, results=RESULTS, chain=verdict, signer=key("rsa-sha256")[0], now=NOW) == b""


def test_a_chain_that_cannot_be_read_is_sealed_as_failed() -> None:
    """A duplicated field leaves no order to seal: the new set says cv=fail above the highest instance there is."""
    content = sealed(sealed(MESSAGE))
    twice = content[: content.index(b"ARC-Message")] + content
    assert "more than one ARC-Seal" in judge(twice).reason
    assert sealed(twice).startswith(b"ARC-Seal: i=3; a=rsa-sha256; t=1772366400; cv=fail;")


def test_fifty_sets_are_the_end() -> None:
    """The fiftieth set holds, and no 51st is added."""
    content = MESSAGE
    for _ in range(50):
        content = sealed(content, "ed25519-sha256")
    assert (judge(content).result, judge(content).instances) == ("pass", 50)
    assert sealed(content) == content
