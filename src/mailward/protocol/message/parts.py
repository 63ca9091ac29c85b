"""MIME entities: choosing a transfer encoding, writing a part, putting parts together (RFC 2045, 2046, 2183, 2387)."""

from __future__ import annotations

import re
from typing import NamedTuple

from mailward.base.errors import Invalid
from mailward.base.sources import Entropy
from mailward.protocol.message import fields, transfer
from mailward.protocol.message.draft import Attachment
from mailward.protocol.message.headers import has_bare_newline, has_long_line

_NEWLINE = re.compile(r"\r\n|\r|\n")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,63}/[a-z0-9!#$&^_.+-]{1,63}")
_TYPE_PARAMETER = re.compile(
    r'([A-Za-z0-9!#$&^_.+-]{1,40})=(?:([A-Za-z0-9!#$&^_.+\'/:-]{1,100})|"([ !#-\[\]-~]{0,100})")'
)
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,250}")
# Messages are never encoded (RFC 2045 section 6.4, RFC 2046 section 5.2), nor reports (RFC 3464 section 2.1, RFC 5965
# section 2); those in UTF-8 may be (RFC 6532 section 3.7, RFC 6533).
_COMPOSITE, _ENCODABLE = "message/", "message/global"
_ASCII_RUN = 76


class Entity(NamedTuple):
    """`header`: its Content-* fields; `body`: encoded, ending in CRLF, not empty."""

    header: bytes
    body: bytes


def text(content: str, subtype: str) -> Entity:
    """A text part: 7bit when it is ASCII in short lines, else quoted-printable or base64, whichever is smaller."""
    if "\n" in content or "\r" in content:
        content = _NEWLINE.sub("\r\n", content) if "\r" in content else content.replace("\n", "\r\n")
    if content[-2:] != "\r\n":
        content += "\r\n"
    try:
        data = content.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Invalid("text_invalid", "The text holds half of a surrogate pair.", field=subtype) from error
    if len(data) == len(content) and "\0" not in content and not has_long_line(data):
        return Entity(
            b"Content-Type: text/%b; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n" % subtype.encode(), data
        )
    head = b"Content-Type: text/%b; charset=utf-8\r\n" % subtype.encode()
    if (len(data) - len(content)) * 4 > len(data):  # about a third of non-ASCII characters: base64 is smaller
        return Entity(head + b"Content-Transfer-Encoding: base64\r\n", base64_lines(data))
    return Entity(head + b"Content-Transfer-Encoding: quoted-printable\r\n", transfer.quoted_printable(data))


def base64_lines(data: bytes) -> bytes:
    """Base64 in CRLF-ended lines of 76 characters."""
    return transfer.base64(data) + b"\r\n"


def _content_type(given: str, where: str) -> tuple[str, list[str]]:
    base, *rest = given.split(";")
    base = base.strip().lower()
    if not _TYPE.fullmatch(base) or base.startswith("multipart/"):
        raise Invalid("content_type_invalid", "The content type of an attachment is not one.", field=where)
    parameters = []
    seen: set[str] = set()
    for item in rest:
        match = _TYPE_PARAMETER.fullmatch(item.strip())
        if match is None:
            raise Invalid("content_type_invalid", "A parameter of the content type cannot be read.", field=where)
        name = match[1].lower()
        if name in seen:
            raise Invalid("content_type_invalid", f"The content type names '{name}' twice.", field=where)
        seen.add(name)
        if name not in ("name", "boundary"):
            parameters.append(item.strip())
    return base, parameters


def attachment(item: Attachment, index: int) -> Entity:
    """A file as a part; a message that 7 bits cannot carry is one of unknown type, its octets as they were.

    Raises Invalid `content_type_invalid`, `content_id_invalid`, `header_injection`."""
    where = f"attachments[{index}]"
    base, parameters = _content_type(fields.check(item.content_type, f"{where}.content_type"), f"{where}.content_type")
    data, encoding = item.content, "base64"
    if base.startswith(_COMPOSITE) and not base.startswith(_ENCODABLE):
        data = data if b"\r" in data else data.replace(b"\n", b"\r\n")  # a file as Unix keeps it
        if data.isascii() and _clean(data):
            encoding = "7bit"
        else:
            data, base, parameters = item.content, "application/octet-stream", []
    if base.startswith("text/") and not any(p.lower().startswith("charset=") for p in parameters) and _is_utf8(data):
        parameters.append("charset=utf-8")  # or it would mean ASCII (RFC 2046 section 4.1.2)
    names = fields.parameter("filename", item.filename, f"{where}.filename") if item.filename else []
    if names:  # what readers older than RFC 2231 look at
        parameters.append(fields.fallback_parameter("name", item.filename))
    lines = [_folded("Content-Type", base, parameters)]
    lines.append(_folded("Content-Disposition", "inline" if item.inline else "attachment", names))
    if item.content_id is not None:
        if not _CONTENT_ID.fullmatch(item.content_id):
            raise Invalid(
                "content_id_invalid", "A content id holds a character it must not.", field=f"{where}.content_id"
            )
        lines.append(f"Content-ID: <{fields.check(item.content_id, f'{where}.content_id')}>\r\n")
    lines.append(f"Content-Transfer-Encoding: {encoding}\r\n")
    header = "".join(lines).encode("ascii")
    if encoding == "7bit":
        return Entity(header, data if data.endswith(b"\r\n") else data + b"\r\n")
    return Entity(header, base64_lines(data))


def _is_utf8(data: bytes) -> bool:
    """It says more than ASCII, in UTF-8."""
    if data.isascii():
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _clean(data: bytes) -> bool:
    return b"\0" not in data and not has_bare_newline(data) and not has_long_line(data)


def _folded(name: str, value: str, parameters: list[str]) -> str:
    line = f"{name}: {value}"
    if not parameters:
        return line + "\r\n"
    if len(parameters) == 1 and len(line) + len(parameters[0]) + 2 <= fields.FOLD:
        return f"{line}; {parameters[0]}\r\n"
    return line + ";\r\n " + ";\r\n ".join(parameters) + "\r\n"


def multipart(subtype: str, entities: list[Entity], entropy: Entropy, parameters: bytes = b"") -> Entity:
    """Parts under one boundary that occurs in none of them."""
    while True:
        boundary = b"=_" + entropy.bytes(15).hex().encode("ascii")
        if not any(boundary in entity.body for entity in entities):
            break
    pieces = []
    for entity in entities:
        pieces += [b"--", boundary, b"\r\n", entity.header, b"\r\n", entity.body]
    pieces += [b"--", boundary, b"--\r\n"]
    head = b'Content-Type: multipart/%b%b;\r\n boundary="%b"\r\n' % (subtype.encode(), parameters, boundary)
    return Entity(head, b"".join(pieces))
