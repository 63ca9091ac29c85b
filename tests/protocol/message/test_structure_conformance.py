"""Published messages, leaf by leaf, against the trees their projects publish (mime4j, stalwart's mail-parser).

What differs on purpose stands in DIFFERENT, and why in docs/decisions/0012-reading-of-mime.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from mailward.protocol.message import charset, filenames, headers, structure, words
from tests.spent import within

# (message, leaf): what about the leaf is read otherwise.
DIFFERENT: dict[tuple[str, int], frozenset[str]] = {
    # Base64 that ends in the middle of a group: we keep the whole octets of the last group, mime4j drops them.
    ("frag", 4): frozenset({"bytes"}),
    ("multi-frag", 3): frozenset({"bytes"}),
    # Text that calls itself base64 and is none: we decode what the label says and name the defect.
    ("rfc/000", 2): frozenset({"bytes"}),
    ("rfc/000", 3): frozenset({"bytes"}),
    # mail-parser leaves out the LF of the last CRLF.
    ("legacy/049", 0): frozenset({"bytes"}),
}


class Expected(NamedTuple):
    """A leaf as published; None where the source says nothing."""

    kind: str
    encoding: str
    name: str | None
    charset: str | None
    data: bytes | None
    text: str | None


def crlf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def leaves(content: bytes) -> list[structure.Leaf]:
    """Our leaves, those of forwarded messages in their place."""
    out: list[structure.Leaf] = []
    for leaf in structure.read(content).leaves:
        out += leaves(leaf.content) if leaf.content_type == "message/rfc822" else [leaf]
    return out


def _safe(name: str) -> str:
    """A published name as we show it; an octet of no known charset is "_" with us, U+FFFD with them."""
    return filenames.safe(name.replace("\ufffd", "_")) if name else ""


def digest(data: bytes) -> str:
    return hashlib.sha256(crlf(data)).hexdigest()


def compare(name: str, content: bytes, expected: list[Expected]) -> list[str]:
    """Every difference, in words."""
    got = leaves(content)
    if len(got) != len(expected):
        return [f"{name}: {len(got)} leaves, {len(expected)} expected"]
    found = []
    for n, (leaf, wanted) in enumerate(zip(got, expected, strict=True)):
        differs = set()
        if wanted.kind and leaf.content_type != wanted.kind:
            differs.add("kind")
        if leaf.encoding != wanted.encoding:
            differs.add("encoding")
        if wanted.name is not None and leaf.filename != _safe(wanted.name):
            differs.add("name")
        if wanted.charset is not None and leaf.charset.lower() != wanted.charset.lower():
            differs.add("charset")
        if wanted.data is not None and digest(leaf.content) != digest(wanted.data):
            differs.add("bytes")
        if wanted.text is not None and digest(
            charset.decode(leaf.content, leaf.charset).encode("utf-8", "surrogatepass")
        ) != digest(wanted.text.encode()):
            differs.add("bytes")
        if differs != DIFFERENT.get((name, n), frozenset()):
            found.append(f"{name}, leaf {n}: {sorted(differs)} differ")
    return found


# -- mime4j: the tree in XML, each decoded body in a file ----------------------------------------


def _mime4j(element: ElementTree.Element, folder: Path, default: str) -> Iterator[Expected]:
    fields = [crlf((f.text or "").strip().encode()) + b"\r\n" for f in element.findall("header/field")]
    head = headers.split(b"".join(fields) + b"\r\n", tolerant=True)
    raw_type = (headers.first_value(head, b"content-type") or default.encode()).decode()
    match = re.match(r"\s*([\w.+-]+/[\w.+-]+)\s*(?:;|\(|$)", raw_type)
    kind = match[1].lower() if match else ""
    encoding = (headers.first_value(head, b"content-transfer-encoding") or b"").decode().lower()
    for child in element:
        if child.tag in ("text-body", "binary-body"):
            data = (folder / str(child.get("name"))).read_bytes()
            yield Expected(kind, encoding, None, None, data, None)
        elif child.tag == "multipart":
            inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
            for part in child.findall("body-part"):
                yield from _mime4j(part, folder, inner)
        elif child.tag == "message":
            yield from _mime4j(child, folder, "text/plain")


def test_mime4j_trees(conformance: Path) -> None:
    """Types, transfer encodings, order and decoded octets of every leaf are those mime4j publishes."""
    files = sorted((conformance / "mime" / "mime4j").rglob("*.msg"))
    assert len(files) >= 45
    found: list[str] = []
    for path in files:
        tree = ElementTree.fromstring(path.with_name(f"{path.stem}_decoded.xml").read_bytes())
        expected = list(_mime4j(tree, path.parent, "text/plain"))
        assert expected or path.stem == "badbound", path  # its boundary occurs nowhere: a message without parts
        found += compare(path.stem, crlf(path.read_bytes()), expected)
    assert found == []


# -- stalwart: the tree in JSON, text decoded, addresses parsed ----------------------------------


def _named(part: dict[str, Any]) -> dict[str, Any]:
    """The headers of a part by name; the last of equal ones, as mail-parser takes it."""
    out = {}
    for header in part["headers"]:
        name = header["name"]
        out[name if isinstance(name, str) else name["other"].lower()] = header["value"]
    return out


def _attribute(value: Any, name: str) -> str | None:
    if not isinstance(value, dict) or "ContentType" not in value:
        return None
    for item in value["ContentType"].get("attributes") or []:
        if item["name"] == name:
            return str(item["value"])
    return None


def _stalwart(message: dict[str, Any], index: int = 0, default: str = "text/plain") -> Iterator[Expected]:
    part = message["parts"][index]
    named = _named(part)
    given = named.get("content_type")
    kind = default
    if isinstance(given, dict) and "ContentType" in given:
        kind = f"{given['ContentType']['c_type']}/{given['ContentType'].get('c_subtype') or ''}".lower()
    ((what, value),) = part["body"].items()
    if what == "Multipart":
        inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        for child in value:
            yield from _stalwart(message, child, inner)
        return
    if what == "Message":
        yield from _stalwart(value)
        return
    encoding = named.get("content_transfer_encoding")
    yield Expected(
        kind,
        encoding["Text"].lower() if isinstance(encoding, dict) and "Text" in encoding else "",
        _attribute(named.get("content_disposition"), "filename") or _attribute(given, "name") or "",
        _attribute(given, "charset") or "us-ascii",
        None if isinstance(value, str) else bytes(value),
        value if isinstance(value, str) else None,
    )


def _published(conformance: Path) -> list[tuple[str, bytes, dict[str, Any]]]:
    out = []
    for path in sorted((conformance / "mime" / "stalwart").rglob("*.eml")):
        tree = json.loads(path.with_name(f"{path.stem}.crlf.json").read_text("utf-8"))
        out.append((f"{path.parent.name}/{path.stem}", crlf(path.read_bytes()), tree))
    return out


def test_stalwart_trees(conformance: Path) -> None:
    """Types, encodings, names, charsets and decoded text or octets of every leaf are those mail-parser publishes."""
    published = _published(conformance)
    assert len(published) >= 50
    found: list[str] = []
    for name, content, tree in published:
        found += compare(name, content, list(_stalwart(tree)))
    assert found == []


def test_stalwart_header_values(conformance: Path) -> None:
    """Every header that mail-parser gives as text decodes to the same text, in the same order, none lost."""
    compared, found = 0, []
    for name, content, tree in _published(conformance):
        fields = [f for f in headers.split(content, tolerant=True).fields if f[0]]
        published = tree["parts"][0]["headers"]
        assert len(fields) == len(published), name
        for (key, raw), header in zip(fields, published, strict=True):
            called = header["name"] if isinstance(header["name"], str) else header["name"]["other"]
            assert key.decode() == called.lower().replace("_", "-"), name
            if isinstance(header["value"], dict) and "Text" in header["value"]:
                text = words.decode(headers.value(raw))
                if key in (b"message-id", b"content-id"):
                    text = text.strip("<>")
                compared += 1
                if text.split() != header["value"]["Text"].split():
                    found.append(f"{name}: {key.decode()}")
    assert compared > 300
    assert found == []


def test_differences_are_still_differences(conformance: Path) -> None:
    """Each exception names a published message and one of its leaves."""
    names = {path.stem for path in (conformance / "mime" / "mime4j").rglob("*.msg")}
    names |= {name for name, _, _ in _published(conformance)}
    assert {name for name, _ in DIFFERENT} <= names


@pytest.mark.parametrize(
    "content",
    [
        b"Content-Type: text/plain\r\n\r\n" + b"x" * 50_000_000,
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 12_000_000,
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=41" * 16_000_000,
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 100_000,
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n" + b"\r\n--b" * 10_000_000,
    ],
    ids=["one line", "base64 line", "quoted-printable line", "100,000 parts", "10,000,000 near boundaries"],
)
def test_the_largest_messages_are_bounded(content: bytes) -> None:
    """Fifty megabytes in one line, a hundred thousand parts, ten million near boundaries: a second or less."""
    within(1, lambda: structure.read(content))
