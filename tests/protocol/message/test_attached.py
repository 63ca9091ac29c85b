"""File names are found in the headers of parts, whatever their form, and nowhere else."""

from __future__ import annotations

import pytest

from mailward.protocol.message import attached, headers
from mailward.protocol.message.attached import confirmed, names

_HEAD = b"From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"


def _message(*parts: bytes) -> bytes:
    return _HEAD + b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"


def _names(content: bytes) -> tuple[str, ...]:
    return names(content, headers.split(content))


@pytest.mark.parametrize(
    "field",
    [
        b'Content-Disposition: attachment; filename="a.exe"',
        b"CONTENT-DISPOSITION: ATTACHMENT;\r\n FILENAME=a.exe",
        b'Content-Type: application/octet-stream; name="a.exe"',
        b"Content-Disposition: attachment; filename*=utf-8''a%2Eexe",
        b"Content-Disposition: attachment; filename*0=a.; filename*1=exe",
        b'Content-Type: application/x-a; name="=?utf-8?B?YS5leGU=?="',
    ],
)
def test_every_form_of_a_name(field: bytes) -> None:
    """Quoted, folded, in capitals, percent-encoded, in pieces, as an encoded word."""
    content = _message(b"Content-Type: text/plain\r\n\r\nhello", field + b"\r\n\r\nTVo=")
    assert _names(content) == ("a.exe",)
    assert confirmed(content) == ("a.exe",)


def test_a_message_that_is_one_file() -> None:
    """Without parts the message's own header names it."""
    content = (
        b"From: a@b.test\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\nx"
    )
    assert _names(content) == ("a.pdf",)


def test_text_that_quotes_a_field_is_no_file() -> None:
    """The quick look may be wrong; the second look is not."""
    quoted = _message(b"Content-Type: text/plain\r\n\r\nContent-Disposition: attachment; filename=a.exe\r\n")
    assert _names(quoted) == ("a.exe",)
    assert confirmed(quoted) == ()
    plain = b"From: a@b.test\r\n\r\nContent-Disposition: attachment; filename=a.exe\r\n"
    assert _names(plain) == ()


def test_files_of_an_attached_message_count() -> None:
    """A message within a message hides nothing."""
    inner = _message(b"Content-Disposition: attachment; filename=a.exe\r\n\r\nTVo=").replace(b"--x", b"--y")
    inner = inner.replace(b"boundary=x", b"boundary=y")
    content = _message(b"Content-Type: message/rfc822\r\n\r\n" + inner)
    assert (_names(content), confirmed(content)) == (("a.exe",), ("a.exe",))


@pytest.mark.parametrize("window", [1, 20, 64, 100])
def test_a_name_is_found_wherever_it_stands(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows are for others to get their turn; they cut no field, however it is folded."""
    parts = [
        b"CONTENT-Disposition: attachment;\r\n" + b" " * n + b"Filename=a%d.exe\r\n\r\nx" % n for n in range(1, 40)
    ]
    content = _message(b"Content-Type: text/plain\r\n\r\nname", *parts)
    expected = tuple(f"a{n}.exe" for n in range(1, 40))
    assert _names(content) == expected
    monkeypatch.setattr(attached, "_WINDOW", window)
    assert _names(content) == expected
