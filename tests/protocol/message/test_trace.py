"""Our Received line, and what a header says in lists."""

from __future__ import annotations

from datetime import UTC, datetime

from mailward.protocol.message import headers
from mailward.protocol.message.trace import heading, received

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def line(**changes: object) -> str:
    given: dict[str, object] = {
        "helo": "client.test", "ip": "192.0.2.7", "rdns": "", "hostname": "mx.test", "tls": ("", ""),
        "smtputf8": False, "queue_id": "rcv_1", "recipient": "", "now": NOW,
    }  # fmt: skip
    return received(**{**given, **changes})  # type: ignore[arg-type]


def test_the_line() -> None:
    """It names client, protocol, id and time, and TLS and recipient where there are any."""
    assert line() == (
        "Received: from client.test ([192.0.2.7])\r\n\tby mx.test with ESMTP id rcv_1;\r\n"
        "\tMon, 04 May 2026 12:00:00 +0000\r\n"
    )
    full = line(ip="2001:db8::1", rdns="a.example", tls=("TLSv1.3", "TLS_X"), smtputf8=True, recipient="b@in.test")
    assert full == (
        "Received: from client.test (a.example [IPv6:2001:db8::1])\r\n\t(using TLSv1.3 with cipher TLS_X)\r\n"
        "\tby mx.test with UTF8SMTPS id rcv_1\r\n\tfor <b@in.test>;\r\n\tMon, 04 May 2026 12:00:00 +0000\r\n"
    )


def test_what_a_client_says_ends_no_line() -> None:
    """A name with a comment, a line break or nothing in it is written harmlessly; the field parses as one field."""
    for name in ("a) by evil (", "a\r\nX-Evil: 1", "", "x" * 9000):
        text = line(helo=name, rdns=name)
        parsed = headers.split(text.encode("ascii") + b"\r\n")
        assert [field for field, _ in parsed.fields] == [b"received"]
        assert "evil (" not in text


def test_heading() -> None:
    """Texts are decoded and cut, relays counted, automatic mail known by its own word."""
    found = heading(
        headers.split(
            b"Received: x\r\nReceived: y\r\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@x.test>\r\nTo: b@in.test\r\n"
            b"Subject: " + b"s" * 2000 + b"\r\nMessage-ID: <1@x>\r\nAuto-Submitted: auto-replied; x=y\r\n\r\n",
            tolerant=True,
        )
    )
    assert (found.header_from, found.to, found.message_id) == ("Jürgen <j@x.test>", "b@in.test", "<1@x>")
    assert (len(found.subject), found.hops, found.automatic, found.eight_bit) == (1000, 2, True, False)
    nothing = heading(headers.split(b"Auto-Submitted: no\r\n\r\n", tolerant=True))
    assert nothing == ("", "", "", "", 0, False, False)
