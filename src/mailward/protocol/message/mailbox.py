"""Reading address lists so strictly that nobody else reads another domain out of them (RFC 5322 section 3.4).

The sender check stands on this: what two programs could read differently raises
Invalid. Quoted names may hold anything printable; comments may stand around a
mailbox, never inside an address, and hold no address themselves; groups, routes,
domain literals and encoded words inside an address are refused. One pass, linear.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, NoReturn

import idna

from mailward.base.errors import Invalid
from mailward.protocol.message import headers, words
from mailward.protocol.message.charset import UNPRINTABLE
from mailward.protocol.message.headers import Parsed

MAX_MAILBOXES = 1000

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
# Phrase (dots allowed, as everybody writes "John Q. Public"), then one angle address; or a bare address. The phrase
# gives nothing back, else a long run of spaces would be tried at each of its ends.
_FAST_NAMED = re.compile(
    rf'(?:"([^"\\\x00-\x1f\x7f-\U0010ffff]*)"|([{_ATEXT}. ]*+))[ \t]*+<([{_ATEXT}.]+)@([A-Za-z0-9.-]+)>'
)
_FAST_BARE = re.compile(rf"([{_ATEXT}.]+)@([A-Za-z0-9.-]+)")
_DOT_ATOM = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+)*"
)
_QUOTED_LOCAL = re.compile(r'"(?:[^"\\@<>,;:()\[\]\x00-\x1f\x7f-\x9f]|\\[ "\\])+"')
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_OTHER_DOTS = re.compile("[\u3002\uff0e\uff61\u2024\ufe52]")
_TOKEN = re.compile(
    r'(?P<space>[ \t]+)|(?P<quoted>"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[ -~\t])*")'
    r"|(?P<word>[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]+)|(?P<special>[()<>\[\]:;@,])"
)
# Commas and the like may stand in it: without @ and angle brackets nobody reads a second address there.
_COMMENT_PART = re.compile(r"[^()\\<>@\"\x00-\x08\x0a-\x1f\x7f]+")
_UNQUOTE = re.compile(r"\\(.)")


class Mailbox(NamedTuple):
    """One address. `local` in wire form (quotes kept), `domain` in lower-case A-labels, `name` decoded for display."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        """local@domain."""
        return f"{self.local}@{self.domain}"


class Originators(NamedTuple):
    """Everyone a message says it is from: each of their domains must be the workspace's own."""

    author: Mailbox
    sender: Mailbox | None
    resent: tuple[Mailbox, ...]

    def domains(self) -> set[str]:
        """The distinct domains, in A-labels."""
        found = {self.author.domain}
        if self.sender is not None:
            found.add(self.sender.domain)
        found.update(mailbox.domain for mailbox in self.resent)
        return found


def _refuse(code: str, why: str) -> NoReturn:
    raise Invalid(code, f"The address cannot be read in one way only: {why}.")


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str:
    """The domain in lower-case A-labels (RFC 5890). ValueError when it is not one: literals, empty or long labels."""
    if not domain.isascii():
        if _OTHER_DOTS.search(domain):
            raise ValueError("a dot that is not a full stop")
        try:
            domain = idna.encode(domain.lower(), std3_rules=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError("not a valid internationalised domain") from error
    if len(domain) > 253:
        raise ValueError("longer than 253 characters")
    for label in domain.split("."):
        if not _LABEL.fullmatch(label):
            raise ValueError("a label is empty, too long, or holds a character no host name has")
    return domain.lower()


def _mailbox(name: str, local: str, domain: str, code: str) -> Mailbox:
    if len(local.encode("utf-8", "replace")) > 64:
        _refuse(code, "the part before @ is longer than 64 bytes")
    if local[0] == '"':
        if not _QUOTED_LOCAL.fullmatch(local):
            _refuse(code, "the quoted part before @ holds a character that reads as an address")
    elif not _DOT_ATOM.fullmatch(local):
        _refuse(code, "the part before @ is not a dot-separated word")
    if not local.isprintable():  # separators, direction overrides, bytes that are no UTF-8
        _refuse(code, "the part before @ holds an invisible character")
    if "=?" in local:
        _refuse(code, "an encoded word inside the address")
    try:
        return Mailbox(name, local, ascii_domain(domain))
    except ValueError as error:
        _refuse(code, str(error))


def parse_list(value: bytes | str, *, code: str = "address_invalid") -> list[Mailbox]:
    """The mailboxes of an unfolded header value, in order; empty for an empty value. Raises Invalid(`code`)."""
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    text = text.strip(" \t")
    if match := _FAST_NAMED.fullmatch(text):
        quoted, phrase, local, domain = match.groups()
        return [_mailbox(_display(quoted if phrase is None else phrase, quoted is None), local, domain, code)]
    if match := _FAST_BARE.fullmatch(text):
        return [_mailbox("", match[1], match[2], code)]
    return _slow(text, code)


def parse_one(value: bytes | str, *, code: str = "address_invalid", field: str = "") -> Mailbox:
    """The one mailbox of a value such as `Name <a@b.example>`. Raises Invalid(`code`) with `field`."""
    try:
        found = parse_list(value, code=code)
        if len(found) != 1:
            _refuse(code, "one address is needed")
    except Invalid as error:
        error.field = field
        raise
    return found[0]


def _display(text: str, decode: bool) -> str:
    if decode and "=?" in text:
        return words.decode(text.encode("utf-8", "replace")).strip()
    # A tab is white space (RFC 5322 section 3.2.2), and no other control is.
    return UNPRINTABLE.sub("\ufffd", text.replace("\t", " ").strip())


def _tokens(text: str, code: str) -> list[tuple[str, str]]:
    """(kind, text) with comments as one token; anything else raises."""
    out: list[tuple[str, str]] = []
    position, size = 0, len(text)
    while position < size:
        match = _TOKEN.match(text, position)
        if match is None:
            _refuse(code, "a character that has no place in an address")
        kind, text_of = str(match.lastgroup), match[0]
        position = match.end()
        if text_of == "(":
            kind, start = "comment", position
            position = _skip_comment(text, position, code)
            text_of = text[start : position - 1]
        elif text_of == ")":
            _refuse(code, "an unbalanced parenthesis")
        out.append((kind, text_of))
    return out


def _skip_comment(text: str, position: int, code: str) -> int:
    depth = 1
    while depth:
        if match := _COMMENT_PART.match(text, position):
            position = match.end()
        character = text[position : position + 1]
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        else:
            _refuse(code, "a comment that does not end or that holds an address")
        position += 1
    return position


def _slow(text: str, code: str) -> list[Mailbox]:
    found: list[Mailbox] = []
    group: list[tuple[str, str]] = []
    for token in _tokens(text, code):
        if token == ("special", ","):
            found.append(_one(group, code))
            group = []
            if len(found) >= MAX_MAILBOXES:
                _refuse(code, f"more than {MAX_MAILBOXES} addresses")
        else:
            group.append(token)
    if found or group:
        found.append(_one(group, code))
    return found


def _one(tokens: list[tuple[str, str]], code: str) -> Mailbox:
    kinds = [token for token in tokens if token[0] != "space"]
    comments = [token[1] for token in kinds if token[0] == "comment"]
    angle = [i for i, token in enumerate(tokens) if token == ("special", "<")]
    if not angle:
        outer = [token for token in tokens if token[0] != "comment"]
        while outer and outer[0][0] == "space":
            outer.pop(0)
        while outer and outer[-1][0] == "space":
            outer.pop()
        _no_inner_comment(kinds, code)  # a@b(x)c: without its comment it would read as another domain
        return _address(outer, comments[-1] if comments else "", code)
    if len(angle) != 1:
        _refuse(code, "two opening angle brackets")
    at = angle[0]
    rest = tokens[at + 1 :]
    if ("special", ">") not in rest:
        _refuse(code, "an angle bracket that does not close")
    close = rest.index(("special", ">"))
    if any(kind not in ("space", "comment") for kind, _ in rest[close + 1 :]):
        _refuse(code, "text after the closing angle bracket")
    phrase: list[str] = []
    for kind, token in tokens[:at]:
        if kind == "special":
            _refuse(code, f"{token} in a name that is not quoted")
        if kind == "quoted":
            phrase.append(_display(_UNQUOTE.sub(r"\1", token[1:-1]), False))
        elif kind == "word":
            phrase.append(token)
    name = _display(" ".join(phrase), True)
    return _address(rest[:close], name, code)


def _no_inner_comment(tokens: list[tuple[str, str]], code: str) -> None:
    position = 0
    while position < len(tokens) and tokens[position][0] == "comment":
        position += 1
    end = len(tokens)
    while end > position and tokens[end - 1][0] == "comment":
        end -= 1
    if any(kind == "comment" for kind, _ in tokens[position:end]):
        _refuse(code, "a comment inside the address")


def _address(tokens: list[tuple[str, str]], name: str, code: str) -> Mailbox:
    if len(tokens) != 3 or tokens[1] != ("special", "@") or tokens[0][0] not in ("word", "quoted"):
        _refuse(code, "not one local part, an @ and a domain, without spaces")
    if tokens[2][0] != "word":
        _refuse(code, "the domain is not a host name")
    return _mailbox(_display(name, True), tokens[0][1], tokens[2][1], code)


def originators(parsed: Parsed) -> Originators:
    """Who the message says it is from.

    Raises Invalid: `from_missing`, `from_multiple_fields`, `from_multiple_addresses`, `from_invalid`,
    `sender_multiple_fields`, `sender_invalid`, `resent_invalid`.
    """
    author: Mailbox | None = None
    sender: Mailbox | None = None
    resent: list[Mailbox] = []
    for name, raw in parsed.fields:
        if name == b"from":
            if author is not None:
                raise Invalid("from_multiple_fields", "The message has more than one From field.", field="from")
            author = _author(raw)
        elif name == b"sender":
            if sender is not None:
                raise Invalid("sender_multiple_fields", "The message has more than one Sender field.", field="sender")
            sender = parse_one(headers.value(raw), code="sender_invalid", field="sender")
        elif name == b"resent-from" or name == b"resent-sender":
            found = parse_list(headers.value(raw), code="resent_invalid")
            if not found:
                raise Invalid("resent_invalid", "A Resent field holds no address.", field=name.decode())
            resent.extend(found)
    if author is None:
        raise Invalid("from_missing", "The message has no From field.", field="from")
    return Originators(author, sender, tuple(resent))


def _author(raw: bytes) -> Mailbox:
    try:
        found = parse_list(headers.value(raw), code="from_invalid")
    except Invalid as error:
        error.field = "from"
        raise
    if not found:
        raise Invalid("from_invalid", "The From field holds no address.", field="from")
    if len(found) > 1:
        # RFC 5322 allows it with a Sender; receivers disagree on which address DMARC then means (RFC 9989).
        raise Invalid("from_multiple_addresses", "The From field holds more than one address.", field="from")
    return found[0]
