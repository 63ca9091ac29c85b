"""What the client sends: envelope and content, checked and put in wire form once.

Nothing that could end a line or a message early ever reaches the wire: a bare CR, LF or
NUL in content, or a control character in an address, is refused here with ValueError
(RFC 5321 sections 2.3.8 and 4.1.1.4), whoever built it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from mailward.base.outcome import PermFail, TempFail
from mailward.protocol.newlines import only_crlf

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNQUOTED = re.compile("[ <>]")
_PIECE = 1 << 18
_NOT_XTEXT = re.compile(rb"[^!-*,-<>-~]")
_NOT_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")  # RFC 6533 section 3


class Dsn(NamedTuple):
    """Delivery status parameters (RFC 3461), sent only to peers that offer DSN.

    `ret` is "", "FULL" or "HDRS"; `notify` ("NEVER" or a list as in "FAILURE,DELAY") and
    `orcpt` ("rfc822;user@example.com", not yet xtext) run beside the recipients, or are empty.
    """

    ret: str = ""
    envid: str = ""
    notify: tuple[str, ...] = ()
    orcpt: tuple[str, ...] = ()


class WireContent(NamedTuple):
    """Content ready to be written: dot-stuffed, with the final dot; `size` as RFC 1870 counts it.

    `rewritten` says, for people, how it differs from what was submitted, if this form of it does.
    """

    chunks: tuple[bytes, ...]
    size: int
    eight_bit: bool
    rewritten: tuple[str, ...] = ()


class Mail(NamedTuple):
    """One message for one peer. `seven_bit` makes the form of it for a peer without 8BITMIME, or says why it cannot."""

    mail_from: str
    recipients: tuple[str, ...]
    content: WireContent
    smtputf8: bool = False
    dsn: Dsn | None = None
    requiretls: bool = False
    seven_bit: Callable[[], WireContent | PermFail | TempFail] | None = None


def wire_content(content: bytes | tuple[bytes, ...]) -> WireContent:
    """Check that content is canonical and dot-stuff it (RFC 5321 section 4.5.2).

    ValueError for a bare CR, a bare LF or a NUL. A missing CRLF at the end is added.
    """
    chunks = tuple(chunk for chunk in ((content,) if isinstance(content, bytes) else content) if chunk)
    if len(chunks) > 1 and not all(chunk.endswith(b"\r\n") for chunk in chunks[:-1]):
        chunks = (b"".join(chunks),)  # a chunk that ends inside a line could hide CR | LF or CRLF | dot
    ready: list[bytes] = []
    size = 0
    eight_bit = False
    for chunk in chunks:
        if b"\0" in chunk or not only_crlf(chunk):
            raise ValueError("content has a bare CR, a bare LF or a NUL")
        size += len(chunk)
        if not chunk.isascii():
            eight_bit = True
        if b"\r\n." in chunk:
            chunk = _stuffed(chunk)
        if chunk[:1] == b".":
            ready.append(b".")
        ready.append(chunk)
    if ready and not ready[-1].endswith(b"\r\n"):
        ready.append(b"\r\n.\r\n")
        size += 2
    else:
        ready.append(b".\r\n")
    return WireContent(tuple(ready), size, eight_bit)


def _stuffed(chunk: bytes) -> bytes:
    """Every dot behind a CRLF doubled, piece by piece: between two of them other threads get their turn."""
    if len(chunk) <= _PIECE:
        return chunk.replace(b"\r\n.", b"\r\n..")
    pieces: list[bytes] = []
    at = 0
    while at < len(chunk):
        stop = chunk.find(b"\r\n", at + _PIECE)
        stop = len(chunk) if stop < 0 else stop  # a piece ends before a CRLF, so that none is cut from its dot
        pieces.append(chunk[at:stop].replace(b"\r\n.", b"\r\n.."))
        at = stop
    return b"".join(pieces)


def path(address: str) -> bytes:
    """An address inside angle brackets; ValueError when it could break out of the command.

    Only the shape that protects the wire is checked: addresses were parsed strictly when accepted.
    """
    if _UNSAFE.search(address):
        raise ValueError("address has a control character")
    if _UNQUOTED.search(address) and not _quoted(address):
        raise ValueError("address has a space or an angle bracket outside quotes")
    return b"<" + address.encode("utf-8") + b">"


def _quoted(address: str) -> bool:
    local, _, domain = address.rpartition("@")
    inner = re.sub(r"\\.", "", local[1:-1]) if len(local) >= 2 and local[0] == local[-1] == '"' else '"'
    return '"' not in inner and "\\" not in inner and not _UNQUOTED.search(domain)


def xtext(value: str) -> bytes:
    """RFC 3461 section 4: printable ASCII with `+` and `=` and everything else as +HH."""
    return _NOT_XTEXT.sub(lambda m: b"+%02X" % m[0][0], value.encode("utf-8"))


def original_recipient(value: str) -> bytes:
    """The value of ORCPT for "type;address". Type utf-8 has an escape of its own, \\x{HEX} (RFC 6533 section 3)."""
    kind, _, address = value.partition(";")
    if kind == "utf-8":
        return b"utf-8;" + _NOT_QCHAR.sub(lambda m: f"\\x{{{ord(m[0]):02X}}}", address).encode("ascii")
    return xtext(kind) + b";" + xtext(address)


class Capabilities(NamedTuple):
    """What a peer offered in its EHLO reply. `size` is 0 for no stated limit (RFC 1870 section 4)."""

    names: frozenset[str] = frozenset()
    size: int = 0
    auth: frozenset[str] = frozenset()

    @property
    def pipelining(self) -> bool:
        return "PIPELINING" in self.names


NO_CAPABILITIES = Capabilities()


def capabilities(text: bytes) -> Capabilities:
    """Read an EHLO reply: the first line is a greeting, each other one a keyword and its parameters."""
    names: set[str] = set()
    auth: set[str] = set()
    size = 0
    for line in text.split(b"\n")[1:]:
        words = line.decode("ascii", "replace").upper().split()
        if not words:
            continue
        name, _, rest = words[0].partition("=")  # "AUTH=LOGIN" is an old Microsoft spelling
        names.add(name)
        if name == "SIZE" and len(words) > 1 and words[1].isdigit():
            size = int(words[1][:18])
        elif name == "AUTH":
            auth.update(words[1:], (rest,) if rest else ())
    return Capabilities(frozenset(names), size, frozenset(auth))


def envelope(mail: Mail, offered: Capabilities) -> list[bytes]:
    """The commands MAIL, RCPT for each recipient, and DATA, with the parameters the peer understands."""
    names = offered.names
    first = b"MAIL FROM:" + path(mail.mail_from)
    if "SIZE" in names:
        first += b" SIZE=%d" % mail.content.size
    if mail.content.eight_bit and "8BITMIME" in names:
        first += b" BODY=8BITMIME"
    if mail.smtputf8 and "SMTPUTF8" in names:
        first += b" SMTPUTF8"
    if mail.requiretls and "REQUIRETLS" in names:
        first += b" REQUIRETLS"
    dsn = mail.dsn if "DSN" in names else None
    if dsn is None:
        return [first + b"\r\n", *(b"RCPT TO:" + path(r) + b"\r\n" for r in mail.recipients), b"DATA\r\n"]
    if dsn.ret:
        first += b" RET=" + xtext(dsn.ret)
    if dsn.envid:
        first += b" ENVID=" + xtext(dsn.envid)
    commands = [first + b"\r\n"]
    for i, recipient in enumerate(mail.recipients):
        line = b"RCPT TO:" + path(recipient)
        if i < len(dsn.notify) and dsn.notify[i]:
            line += b" NOTIFY=" + xtext(dsn.notify[i])
        if i < len(dsn.orcpt) and dsn.orcpt[i]:
            line += b" ORCPT=" + original_recipient(dsn.orcpt[i])
        commands.append(line + b"\r\n")
    commands.append(b"DATA\r\n")
    return commands
