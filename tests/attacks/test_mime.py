"""Hostile and broken MIME at the submission doors and in what is shown: bombs, two readings, names, smuggling."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailward.base.errors import Invalid
from mailward.base.outcome import Done
from mailward.protocol.message import build, headers, structure, submission
from mailward.protocol.message.draft import Attachment, Draft
from mailward.protocol.message.mailbox import Mailbox
from tests.adapters.net.courier_rig import once
from tests.conftest import SeededEntropy
from tests.spent import within

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HEAD = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def submit(content: bytes) -> submission.Prepared:
    return submission.for_submission(content, now=NOW, entropy=SeededEntropy(), hostname="mx.example.com")


def nested(depth: int) -> bytes:
    """Multiparts inside each other, with a line too long for SMTP in the innermost."""
    out = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return HEAD + out + b"\r\n" + b"x" * 2000 + b"\r\n"


BOMBS = {
    "5,000 deep": nested(5000),
    "15 deep and 10 MB": nested(15).replace(b"x" * 2000, b"x" * 10_000_000),
    "200,000 parts": MIXED + b"--b\r\n\r\nx\r\n" * 200_000 + b"x" * 999 + b"\r\n",
    "a part of 100,000 near boundaries": MIXED + b"--b\r\n\r\n" + b"\r\n--bx" * 100_000 + b"\r\n",
    "1,000 fields": HEAD + b"X: y\r\n" * 1000 + b"\r\n",
    "64 KiB of header": HEAD + b"X: " + b"y " * 32_000 + b"\r\n\r\n",
    "20,000 addresses": HEAD.replace(b"b@example.net", b"b@c.d,\r\n " * 7000 + b"b@c.d") + b"\r\n",
    "20,000 comments": HEAD.replace(b"b@example.net", b"(" * 900 + b"\r\n (" * 9000) + b"\r\n",
    "encoded words": HEAD.replace(b"s\r\n", b"=?utf-8?q?=41?=\r\n " * 2500 + b"x\r\n") + b"\r\n",
    "half encoded words": HEAD.replace(b"s\r\n", b"=?=?=?=?=?=?=?\r\n " * 3000 + b"x\r\n") + b"\r\n",
    "dots": HEAD.replace(b"From: a@", b"From: " + (b"." * 900 + b"\r\n ") * 60 + b"a@") + b"\r\n",
    "25 MB of text": HEAD + b"\r\n" + (b"y" * 70 + b"\r\n") * 350_000,
    "25 MB in one line": HEAD + b"\r\n" + b"y" * 25_000_000 + b"\r\n",
    "parameters": HEAD + b"Content-Type: multipart/mixed" + b';\r\n a="b"' * 5000 + b"\r\n\r\n" + b"x" * 999 + b"\r\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    """Nesting, parts, fields, words, addresses, comments, sizes: taken or refused with a code in half a second."""
    content = BOMBS[name]

    def take() -> None:
        try:
            found = submit(content)
        except Invalid as error:
            assert error.code  # noqa: PT017
        else:
            assert not headers.has_long_line(found.content)

    within(0.5, take)
    within(0.5, lambda: structure.read(content))


def test_published_messages_are_relayed_octet_for_octet(conformance: Path) -> None:
    """Real malformed messages: whatever is taken keeps its body, unless a line of it is too long for SMTP."""
    taken = 0
    for path in sorted((conformance / "mime").rglob("*")):
        if path.suffix not in (".msg", ".eml"):
            continue
        content = re.sub(rb"\r\n|\r|\n", b"\r\n", path.read_bytes())
        try:
            found = submit(content)
        except Invalid:
            continue
        taken += 1
        body = headers.split(content).body_offset
        same = found.content[found.parsed.body_offset :] == content[body:]
        assert same or headers.has_long_line(content[body:]), path
        assert same != bool(found.rewritten), path
    assert taken > 70


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (HEAD + b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx\r\n", "header_duplicate"),
        (
            HEAD + b"Content-Transfer-Encoding: 7bit\r\ncontent-transfer-encoding: base64\r\n\r\nx\r\n",
            "header_duplicate",
        ),
        (HEAD + b"Subject: other\r\n\r\nx\r\n", "header_duplicate"),
        (HEAD + b"MIME-Version: 1.0\r\n\r\nx\r\n", "header_duplicate"),
        (HEAD + b'Content-Type: multipart/mixed; boundary="a\0b"\r\n\r\nx\r\n', "nul_byte"),
        (HEAD + b"Received: x\r\n" * 51 + b"\r\nx\r\n", "mail_loop"),
    ],
    ids=range(6),
)
def test_two_readings_do_not_leave(content: bytes, code: str) -> None:
    """What decides how a message is read stands once in what we sign, or it is refused; loops end here."""
    with pytest.raises(Invalid) as caught:
        submit(content)
    assert caught.value.code == code


@pytest.mark.asvs("1.1.1")
@pytest.mark.parametrize(
    ("content", "defect", "shown"),
    [
        (
            HEAD + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
            b"Content-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\n\r\none\r\n--ab--\r\n"
            b"--a\r\n\r\ntwo\r\n--a--\r\n",
            "",
            [("text/plain", "", b"one"), ("text/plain", "", b"two")],
        ),
        (
            HEAD
            + b"Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--a\r\n\r\ny\r\n--a--\r\n",
            "",
            [("text/plain", "", b"y")],
        ),
        (
            HEAD + b"Content-Transfer-Encoding: base64\r\n\r\nQU\x80JD<>\r\n",
            "base64_junk",
            [("text/plain", "", b"ABC")],
        ),
        (
            HEAD
            + b"Content-Disposition: attachment; filename=\"=?utf-8?q?a=2Etxt?=\"; filename*=utf-8''b.exe\r\n\r\nx\r\n",
            "",
            [("text/plain", "b.exe", b"x\r\n")],
        ),
        (
            HEAD
            + b"Content-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment; filename=b.exe\r\n\r\nx\r\n",
            "",
            [("text/plain", "b.exe", b"x\r\n")],
        ),
        (
            MIXED + b"--b\r\nContent-Type: text/html\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
            "duplicate_content_type",
            [("text/html", "", b"x")],
        ),
    ],
    ids=range(6),
)
def test_one_canonical_reading(content: bytes, defect: str, shown: list[tuple[str, str, bytes]]) -> None:
    """Boundaries in boundaries, two boundaries, junk in base64, two file names: one reading, and the defect's name."""
    found = structure.read(content)
    assert [(leaf.content_type, leaf.filename, leaf.content) for leaf in found.leaves] == shown
    assert defect in found.defects or not defect


@pytest.mark.asvs("5.3.2", "5.4.2")
@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "..\\..\\boot.ini", "/etc/shadow", "C:\\x.exe", "CON", "nul.txt", "COM1", "a\u202etxt.exe",
     "x" * 5000 + ".pdf", ".", "..", " .hidden. ", "a/b\u2044c", "a:b", "-rf", "a\u2028b"],
)  # fmt: skip
def test_file_names_cannot_leave_their_folder(name: str) -> None:
    """Whatever a sender calls a file, by RFC 2231, RFC 2047 or plainly, what is shown can be saved safely."""
    encoded = "".join(f"%{octet:02X}" for octet in name.encode())
    for field in (f"filename*=utf-8''{encoded}", 'filename="' + name.replace("\\", "\\\\") + '"'):
        content = HEAD + f"Content-Disposition: attachment; {field}\r\n\r\nx\r\n".encode()
        (leaf,) = structure.read(content).leaves
        assert 0 < len(leaf.filename.encode()) <= 200
        assert not re.search("[/\\\\:\x00-\x1f\u2028\u202e\u2044]", leaf.filename)
        assert leaf.filename.strip(". ") and leaf.filename.upper().partition(".")[0] not in ("CON", "NUL", "COM1")


async def _captured(content: bytes) -> bytes:
    """The octets a peer sees after 354, up to the end of the connection."""
    seen = bytearray()
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\r\n")
        for reply in (b"250-mx\r\n250 8BITMIME\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(reply)
        while not seen.endswith(b"\r\n.\r\n") and (data := await reader.read(65536)):
            seen.extend(data)
        writer.write(b"250 ok\r\n")
        seen.extend((await reader.read(100)).replace(b"QUIT\r\n", b""))
        writer.close()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    result = await once(server.sockets[0].getsockname()[1], content=content)
    assert isinstance(result.outcomes[0], Done), result
    await asyncio.wait_for(done.wait(), 10)
    server.close()
    await server.wait_closed()
    return bytes(seen)


HOSTILE = [
    "\r\n.\r\n",
    "\n.\n",
    "\r.\r",
    "\n.\r\n",
    "\r\n.\n",
    ".",
    "..",
    "\r\n.\r\nMAIL FROM:<x@y.z>\r\n",
    "x" * 3000 + "\r\n.\r\n",
]


@pytest.mark.asvs("1.3.11")
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_nothing_can_be_smuggled_out(text: str) -> None:
    """Through either door, the wire shows CRLF only, lines SMTP allows, stuffed dots, and one end of data: the last."""
    draft = Draft(
        author=Mailbox("", "a", "example.com"), to=[Mailbox("", "b", "example.net")], message_id="<1@example.com>",
        date=NOW, subject="s", text=text, html=f"<p>{text}</p>", attachments=[Attachment("a.txt", text.encode())],
    )  # fmt: skip
    contents = [build.build(draft, SeededEntropy()).content]
    try:
        contents.append(submit(HEAD + b"\r\n" + text.encode() + b"\r\n").content)
    except Invalid as error:
        assert error.code == "bare_newline"  # noqa: PT017
    for content in contents:
        wire = await _captured(content)
        assert wire.count(b"\r\n.\r\n") == 1 and wire.endswith(b"\r\n.\r\n")
        assert not headers.has_bare_newline(wire) and b"\0" not in wire
        assert max(len(line.removeprefix(b".")) for line in wire.split(b"\r\n")) <= 998
