"""Whatever octets a message and DNS hold, a judgement comes out and our field can be written and read."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mailward.protocol.authentication.results import results
from mailward.protocol.authres.build import build
from mailward.protocol.authres.read import parse, strip
from mailward.protocol.message import headers
from tests.protocol.arc.test_seal import key, sealed
from tests.protocol.authentication.rig import BODY, Host, header, signed

NAMES = st.sampled_from(
    [b"From", b"Subject", b"DKIM-Signature", b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results",
     b"Authentication-Results", b"Sender", b"X", b""]
)  # fmt: skip
WORDS = st.sampled_from(
    [b"v=1", b"a=rsa-sha256", b"a=ed25519-sha256", b"b=", b"bh=AAAA", b"d=example.com", b"s=s", b"i=1", b"i=2",
     b"cv=none", b"cv=pass", b"h=from", b"c=relaxed", b"l=1", b"t=5", b"x=5", b"<a@example.com>", b"a@evil.test",
     b",", b";", b"(",
     b")", b'"', b"\\", b"\r\n ", b"\x00", b"\xff", b":", b"=", b" "]
)  # fmt: skip
FIELDS = st.lists(st.tuples(NAMES, st.lists(st.one_of(WORDS, st.binary(max_size=6)), max_size=12)), max_size=8)


@settings(max_examples=250, deadline=None)
@given(FIELDS, st.text(max_size=20), st.text(max_size=20))
def test_any_message(fields: list[tuple[bytes, list[bytes]]], mail_from: str, helo: str) -> None:
    """A header of scraps of every field that is judged."""
    content = b"".join(name + b": " + b"".join(words).replace(b"\r\n\r\n", b"") + b"\r\n" for name, words in fields)
    content += b"\r\nbody\r\n"
    host = Host()
    received = host.received(content, mail_from=mail_from, client="192.0.2.1", helo=helo)
    verdicts = host.judge(content, mail_from=mail_from, helo=helo)
    again = parse(build(results(verdicts, received, "mx.ours.example")))
    assert again is not None
    assert [r.result for r in again.results if r.method == "dmarc"] == [verdicts.dmarc.result]
    strip(received.fields, ["mx.ours.example"])


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    """A signed and sealed message with some octets changed: judged, and a pass only over what was really signed."""
    content = bytearray(sealed(signed(header() + BODY, "example.com"), "ed25519-sha256"))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    host = Host({"ed2._domainkey.seal.example": {"TXT": [key("ed25519-sha256")[1]]}})
    verdicts = host.judge(bytes(content), mail_from="x@evil.test")
    if verdicts.dmarc.result == "pass":
        parsed = headers.split(bytes(content), tolerant=True)
        assert headers.value(headers.find(parsed, b"from")[0]).lower().endswith(b"<a@example.com>")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=40), max_size=3), st.lists(st.binary(max_size=40), max_size=2), st.binary(max_size=60)
)
def test_any_dns(policies: list[bytes], dmarc: list[bytes], key_record: bytes) -> None:
    """Texts of any octets behind the right beginnings."""
    data: dict[str, dict[str, object]] = {
        "example.com": {"TXT": [b"v=spf1 " + each for each in policies]},
        "_dmarc.example.com": {"TXT": [b"v=DMARC1;" + each for each in dmarc]},
        "s._domainkey.example.com": {"TXT": [b"v=DKIM1; p=" + key_record]},
    }
    Host(data).judge(signed(header() + BODY, "example.com"))
