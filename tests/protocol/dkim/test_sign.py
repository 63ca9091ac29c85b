"""Signing, judged by verifiers nobody here wrote."""

from __future__ import annotations

import random
import re
from pathlib import Path

from demo.messages import default_folder
from mailward.base.errors import Invalid
from mailward.protocol.dkim import keys
from mailward.protocol.dkim.sign import OVERSIGNED, sign
from mailward.protocol.message import headers, submission
from tests.conftest import SeededEntropy
from tests.protocol.dkim import oracles
from tests.protocol.dkim.conftest import NOW, Bench

MESSAGE = (
    b"From: Alice <alice@example.com>\r\nTo: bob@example.net\r\nSubject: Hello\r\n  folded\tonce\r\n"
    b"Date: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nX-Other: not signed\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nList-Unsubscribe: <https://u.example/>\r\n\r\n"
    b"First  line \r\n\tsecond\r\n\r\n.\r\nlast\r\n\r\n\r\n"
)
DATA = default_folder()
assert DATA is not None, "Python's own test data: apt-get install libpython3.11-testsuite"


def real_messages() -> list[bytes]:
    """The messages of Python's own test data, in CRLF, as submission prepares them; what it refuses is left out."""
    found = []
    for path in sorted((DATA or Path()).glob("*.txt")):
        content = re.sub(rb"\r\n|\r|\n", b"\r\n", path.read_bytes())
        content = re.sub(rb"\AFrom [^\r]*\r\n", b"", content)
        try:
            found.append(
                submission.for_submission(content, now=NOW, entropy=SeededEntropy(), hostname="mx.example.com").content
            )
        except Invalid:
            continue
    return found


def test_every_verifier_accepts(bench: Bench, tmp_path: Path) -> None:
    """dkimpy, libopendkim and Mail::DKIM pass what we sign; ours passes both signatures."""
    signed = bench.sign(MESSAGE, lifetime=86400 * 3650)
    assert [verdict.result for verdict in bench.verify(signed)] == ["pass", "pass"]
    assert oracles.dkimpy(signed, bench.records, 0)
    assert oracles.dkimpy(signed, bench.records, 1)
    with oracles.name_server(bench.records) as port:
        assert oracles.mail_dkim(signed, port)["rsa-sha256"] == "pass"
        oracles.require_opendkim(port)
        assert oracles.opendkim(signed, tmp_path)
        assert not oracles.opendkim(signed.replace(b"last", b"lost"), tmp_path)


def test_real_messages_pass_everywhere(bench: Bench, tmp_path: Path) -> None:
    """Messages of Python's test data, signed, pass all four verifiers."""
    messages = real_messages()
    assert len(messages) > 20
    with oracles.name_server(bench.records) as port:
        for number, content in enumerate(messages):
            signed = bench.sign(content)
            assert [verdict.result for verdict in bench.verify(signed)] == ["pass", "pass"], content[:200]
            assert oracles.dkimpy(signed, bench.records, 0), content[:200]
            assert oracles.dkimpy(signed, bench.records, 1), content[:200]
            if number % 4 == 0:  # a process each
                assert oracles.mail_dkim(signed, port)["rsa-sha256"] == "pass", content[:200]
                oracles.require_opendkim(port)
                assert oracles.opendkim(signed, tmp_path), content[:200]


def test_each_changed_byte_is_refused(bench: Bench) -> None:
    """A change in any byte that is signed fails for both keys, ours and dkimpy's reading alike (sampled)."""
    body = b"word word\r\n" * 40
    content = MESSAGE[: MESSAGE.index(b"\r\n\r\n") + 4].replace(b"X-Other: not signed\r\n", b"") + body
    signed = bench.sign(content)
    start = len(signed) - len(content)
    chosen = random.Random(20260301).sample(range(start, len(signed) - 4), 120)
    for position in chosen:
        old = signed[position : position + 1]
        if old in b" \r\n\t:" or signed[position - 1 : position] == b":":
            continue  # white space may be rewritten by relays, and case of names
        new = b"#" if old != b"#" else b"$"
        changed = signed[:position] + new + signed[position + 1 :]
        assert [verdict.result for verdict in bench.verify(changed)] == ["fail", "fail"], (position, old)
        assert not oracles.dkimpy(changed, bench.records, 0)


def test_what_is_added_breaks_the_signature(bench: Bench) -> None:
    """A second Subject, From or any over-signed field, present before or not, fails; other fields may be added."""
    signed = bench.sign(MESSAGE)
    for name in OVERSIGNED:
        changed = name.title() + b": forged\r\n" + signed
        assert {verdict.result for verdict in bench.verify(changed)} == {"fail"}, name
        assert not oracles.dkimpy(changed, bench.records, 0), name
    assert {verdict.result for verdict in bench.verify(b"Received: by relay\r\n" + signed)} == {"pass"}


def test_the_form_of_the_field(bench: Bench) -> None:
    """No l=, t= as given, x= on request, From signed, lines of at most 78, both signatures over one body hash."""
    parsed = headers.split(MESSAGE)
    block = sign(parsed.fields, MESSAGE[parsed.body_offset :], bench.signers, bench.now, lifetime=60)
    text = block.replace(b"\r\n ", b"").decode()
    assert text.count("DKIM-Signature: v=1;") == 2 and " l=" not in text and ";l=" not in text
    moment = int(bench.now.timestamp())
    assert text.count(f"t={moment}; x={moment + 60};") == 2
    assert max(map(len, block.split(b"\r\n"))) <= 78
    assert len(set(re.findall(r"bh=[^;]+", text))) == 1
    assert re.search(r"h=from:subject:to:date:message-id:.*from:subject:", text)


def test_two_of_a_name_are_signed_from_the_bottom(bench: Bench) -> None:
    """Repeated signed fields verify elsewhere too (RFC 6376 section 5.4.2)."""
    content = b"List-Id: one\r\nFrom: a@example.com\r\nList-Id: two\r\n\r\nhi\r\n"
    signed = bench.sign(content)
    assert oracles.dkimpy(signed, bench.records, 0)
    swapped = signed.replace(b"List-Id: one", b"List-Id: TMP").replace(b"List-Id: two", b"List-Id: one")
    assert bench.verify(swapped.replace(b"List-Id: TMP", b"List-Id: two"))[0].result == "fail"


def test_odd_bodies(bench: Bench, tmp_path: Path) -> None:
    """Empty bodies, only line breaks, white space alone or before a line's end: what arrives is accepted by all."""
    head = MESSAGE[: MESSAGE.index(b"\r\n\r\n") + 4]
    with oracles.name_server(bench.records) as port:
        oracles.require_opendkim(port)
        for body in (
            b"",
            b"\r\n",
            b"\r\n\r\n",
            b"x",
            b" \t\r\n",
            b"a \t b \r\n\r\n",
            b"a \t",
            b"\t",
            b"a\r\n ",
        ):
            signed = bench.sign(head + body)
            arrived = _arrived(signed)
            assert [verdict.result for verdict in bench.verify(signed)] == ["pass", "pass"], body
            assert [verdict.result for verdict in bench.verify(arrived)] == ["pass", "pass"], body
            assert oracles.dkimpy(arrived, bench.records, 0), body
            assert oracles.mail_dkim(arrived, port)["rsa-sha256"] == "pass", body
            assert oracles.opendkim(arrived, tmp_path), body


def test_any_octets(bench: Bench) -> None:
    """Bodies of any octets, with and without a line break at their end: dkimpy and we accept what arrives."""
    head = MESSAGE[: MESSAGE.index(b"\r\n\r\n") + 4]
    chance = random.Random(20260301)
    for _ in range(400):
        body = chance.randbytes(chance.randrange(1, 200)).replace(b"\r", b"").replace(b"\n", b"\r\n")
        body += chance.choice((b"", b" ", b"\t", b" \r\n", b"\r\n\r\n"))
        arrived = _arrived(bench.sign(head + body))
        assert [verdict.result for verdict in bench.verify(arrived)] == ["pass", "pass"], body
        assert oracles.dkimpy(arrived, bench.records, 0), body


def _arrived(content: bytes) -> bytes:
    """As DATA carries it: the client ends an unfinished last line (RFC 5321 section 4.1.1.4).

    What white space before that end is to a verifier that never sees it ended, they do not agree about.
    """
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def test_records() -> None:
    """A record splits into strings of at most 255 bytes, and both kinds name their type."""
    private, record = keys.generate("ed25519-sha256")
    assert record.startswith("v=DKIM1; k=ed25519; p=") and keys.strings(record) == [record]
    assert keys.record(private) == record
    assert [len(part) for part in keys.strings("x" * 600)] == [255, 255, 90]
