"""What is submitted is looked into where it can carry something."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mailward.adapters.scanners.frames import Examination
from mailward.app.inbound.reading import Reader
from mailward.app.inspection import Inspection
from mailward.base.errors import Invalid, Unavailable
from mailward.edges.smtpd.replies import translate
from mailward.policy.scanning import Report, Verdict, unavailable
from tests.app.inbound.inbound_rig import World

HEAD = b"From: a@example.org\r\nSubject: Content-Type: no\r\n"


class _Says:
    name = "clamd"

    def __init__(self, report: Report) -> None:
        self._report = report

    async def scan(self, content: bytes, subject: object) -> Report:
        return self._report


def inspection(found: Examination | None = None, *reports: Report, unexaminable: str = "") -> Inspection:
    world = World(found=found or Examination(), unexaminable=unexaminable)
    return Inspection(Reader(world, [_Says(r) for r in reports]), "mail.test")


@pytest.mark.parametrize(
    ("content", "files", "wanted"),
    [
        (HEAD + b"\r\nText\r\n", (), False),
        (HEAD + b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
         b"--b\r\nContent-Type:  text/html\r\n\r\n<b>\r\n--b--\r\n", (), False),
        (HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\ncontent-type: Application/zip\r\n\r\nPK",
         (), True),
        (HEAD + b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n", (), True),
        (HEAD + b"Content-Type: text/plain; name=a.com\r\n\r\nx", ("a.com",), True),
    ],
)  # fmt: skip
def test_what_is_looked_into(content: bytes, files: tuple[str, ...], wanted: bool) -> None:
    """A file, an attached message or a part that is no text; not text and HTML alone."""
    assert inspection().wants(content, files) is wanted


@pytest.mark.asvs("5.4.3")
async def test_what_is_refused() -> None:
    """Malware and what cannot be examined are refused for good, a scanner that is down for now; a program may go."""
    infected = Examination(matches=(("eicar_test_file", "malware", "a.zip/e.com"),))
    with pytest.raises(Invalid) as caught:
        await inspection(infected).require_clean(b"x", "a@example.org", ["b@example.net"])
    assert (caught.value.code, caught.value.field) == ("malware_refused", "attachments")
    assert translate(caught.value).startswith(b"554 5.7.0 A file of this message is malware: rule eicar_test_file")
    with pytest.raises(Invalid) as caught:
        await inspection(unexaminable="it broke its reader").require_clean(b"x", "", [])
    assert caught.value.code == "unexaminable"
    with pytest.raises(Unavailable) as away:
        await inspection(None, unavailable("clamd", "gone")).require_clean(b"x", "", [])
    assert translate(away.value).startswith(b"451 4.7.0")
    program = Examination(matches=(("windows_program", "suspicious", "a.exe"),))
    await inspection(program, Report("clamd", Verdict.CLEAN)).require_clean(b"x", "", [])


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"Subject: x\r\n\r\nhello", False),
        (b"Content-Type: text/plain\r\n\r\nhello", False),
        (b"Subject: x\r\nCONTENT-TYPE:\tMultipart/mixed; boundary=b\r\n\r\n--b\r\nContent-type: TEXT/html\r\n", False),
        (b"Content-Type: application/zip\r\n\r\nPK", True),
        (b"content-type:application/zip\r\n\r\nPK", True),
        (
            b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\ncOntent-tYpe: message/rfc822\r\n",
            True,
        ),
    ],
)
def test_only_what_can_carry_something_is_looked_into(content: bytes, wanted: bool) -> None:
    """Text alone passes; any part of another type, first field or last, in any spelling, is looked into."""
    assert Inspection(cast(Any, None), "mx.test").wants(content, ()) is wanted
