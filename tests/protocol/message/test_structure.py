"""Reading messages for display."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.protocol.message import filenames, parameters, structure
from tests.spent import within

MULTIPART = b"""\
Subject: =?utf-8?q?=C3=BC?=
Content-Type: multipart/mixed; boundary="a"

preamble
--a
Content-Type: multipart/alternative; boundary=b

--b

plain
--b
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<p>=FC</p>
--b--
--a
Content-Type: image/png; name="../../etc/logo.png"
Content-Disposition: inline
Content-ID: <logo>
Content-Transfer-Encoding: base64

iVBO
Rw==
--a
Content-Disposition: attachment; filename*0*=utf-8''%C3%BCber; filename*1=" all.txt"

file
--a--
epilogue
""".replace(b"\n", b"\r\n")


def test_text_html_and_files() -> None:
    """Bodies are decoded in their charset, file names are safe, content ids bare."""
    found = structure.read(MULTIPART)
    assert (found.subject, found.text, found.html) == ("ü", "plain", "<p>ü</p>")
    assert [(leaf.filename, leaf.content_type, leaf.content, leaf.content_id) for leaf in found.attachments] == [
        ("logo.png", "image/png", b"\x89PNG", "logo"),
        ("über all.txt", "text/plain", b"file", None),
    ]
    assert found.defects == []


@pytest.mark.parametrize(
    ("content", "defect"),
    [
        (b"Content-Type: multipart/mixed\r\n\r\nx", "boundary_missing"),
        (b"Content-Type: multipart/mixed; boundary=a\r\n\r\nx", "boundary_not_found"),
        (b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx", "boundary_not_closed"),
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx", "duplicate_content_type"),
        (b"Content-Transfer-Encoding: base64\r\n\r\n!!QUJD!!", "base64_junk"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nQUJDR", "base64_truncated"),
        (b"Content-Transfer-Encoding: uuencode\r\n\r\nx", "transfer_encoding_unknown"),
        (b"Content-Type: text/plain; charset=klingon\r\n\r\nx", "charset_unknown"),
        (b"Content-Type: nonsense\r\n\r\nx", "content_type_invalid"),
        (b"no header\r\n\r\nx", "header_malformed"),
        (b"Subject: x\n\nbody", "bare_newline"),
        (b"X: y\r\n" * 2000 + b"\r\nbody", "too_many_headers"),
        (b"X: " + b"y" * 90000 + b"\r\n\r\nbody", "header_too_large"),
    ],
)
def test_defects_are_named(content: bytes, defect: str) -> None:
    """Malformed mail is read as far as it goes and says what is wrong with it."""
    assert defect in structure.read(content).defects


def nested(depth: int) -> bytes:
    """Multiparts inside each other."""
    out = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return out + b"\r\nend\r\n"


@pytest.mark.parametrize(
    "content",
    [
        nested(5000),
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 100_000,
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a" * 300_000,
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"\r\n" * 500_000,
        b"Content-Type: text/plain" + b'; a="b"' * 9000 + b"\r\n\r\nx",
        b"Content-Type: text/plain; " + b'a="' * 20_000 + b"\r\n\r\nx",
        b"Content-Type: text/plain; " + b"a " * 30_000 + b"\r\n\r\nx",
        b"Content-Type: " + b"(" * 60_000 + b"\r\n\r\nx",
        b"Content-Type: x; " + b"a*0=b;" * 10_000 + b"\r\n\r\nx",
        b"Subject: " + b"=?" * 30_000 + b"\r\n\r\nx",
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b"!" * 1_000_000,
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 1_000_000,
    ],
    ids=range(12),
)
def test_bombs_are_bounded(content: bytes) -> None:
    """Nesting, parts, boundaries, parameters and junk by the hundred thousand end in half a second."""
    within(0.5, lambda: structure.read(content))


@given(st.binary(max_size=600))
def test_any_bytes_are_read(data: bytes) -> None:
    """Nothing raises, whatever comes."""
    structure.read(data)
    structure.read(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" + data)
    parameters.parse(data)


@pytest.mark.asvs("5.3.2", "5.4.2")
@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\x.exe", "x.exe"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("a\0.txt", "a_.txt"),
        ("exe.\u202etxt.exe", "exe._txt.exe"),
        ("...", "attachment"),
        ("", "attachment"),
        ("a<b>|?.txt", "a_b___.txt"),
        ("über.txt", "über.txt"),
        ("/", "attachment"),
    ],
)
def test_file_names_are_made_safe(name: str, safe: str) -> None:
    """Paths, device names, controls and direction overrides go."""
    assert filenames.safe(name) == safe


@given(st.text(max_size=500))
def test_a_safe_name_is_safe(name: str) -> None:
    """Never empty, at most 200 bytes, no separator, the same when made safe again."""
    made = filenames.safe(name)
    assert 0 < len(made.encode()) <= 200
    assert not re.search(r'[/\\\x00-\x1f<>:"|?*\u202e]', made)
    assert made not in (".", "..")
