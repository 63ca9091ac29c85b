"""The arguments of MAIL, RCPT, BDAT and EHLO: values when they are right, a ready reply when they are not.

Parsers here are strict on purpose. The one indulgence is a single space after the colon of MAIL FROM and RCPT TO,
which old appliances send and which can be read in one way only.
"""

from __future__ import annotations

import re

from mailward.protocol.smtp import replies
from mailward.protocol.smtp.address import BadAddress, Flaw, path
from mailward.protocol.smtp.model import NO_PARAMS, EnvelopeRecipient, MailParams

# A path in its brackets. Inside quotes anything goes, as the address parser judges it afterwards.
_MAIL = re.compile(rb'FROM: ?<((?:[^"<>\s]|"(?:[^"\\]|\\.)*")*)>(?: (.*))?', re.I | re.S)
_RCPT = re.compile(rb'TO: ?<((?:[^"<>\s]|"(?:[^"\\]|\\.)*")*)>(?: (.*))?', re.I | re.S)
_HELLO = re.compile(rb"[A-Za-z0-9_.:\[\]-]{1,255}")
_BDAT = re.compile(rb"([0-9]{1,20})( LAST)?", re.I)
_XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")  # RFC 3461 section 4
_XTEXT_CODE = re.compile(rb"\+([0-9A-F]{2})")
_PARAM = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*+)(?:=([!-<>-~\x80-\xff]++))?")
_ATOM = re.compile(rb"[A-Za-z0-9-]{1,40}")
_UTF8_CODE = re.compile(r"\\x\{([0-9A-F]{2,6})\}")  # RFC 6533 section 3

_SENDER_FLAWS = {
    Flaw.SYNTAX: replies.BAD_SENDER,
    Flaw.TOO_LONG: replies.SENDER_TOO_LONG,
    Flaw.NEEDS_SMTPUTF8: replies.SENDER_NEEDS_UTF8,
    Flaw.RELAY: replies.SENDER_TRICK,
    Flaw.ROUTE: replies.SENDER_ROUTE,
    Flaw.LITERAL: replies.SENDER_TRICK,
}
_RECIPIENT_FLAWS = {
    Flaw.SYNTAX: replies.BAD_RECIPIENT,
    Flaw.TOO_LONG: replies.RECIPIENT_TOO_LONG,
    Flaw.NEEDS_SMTPUTF8: replies.RECIPIENT_NEEDS_UTF8,
    Flaw.RELAY: replies.RELAY_TRICK,
    Flaw.ROUTE: replies.RECIPIENT_ROUTE,
    Flaw.LITERAL: replies.RELAY_TRICK,
}


class Rejected(ValueError):
    """The argument is refused with `reply`."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        self.reply = reply


def hello(argument: bytes) -> str:
    """The client's name as EHLO or HELO gives it: never trusted, so only characters that are safe in a trace header."""
    if _HELLO.fullmatch(argument) is None:
        raise Rejected(replies.BAD_HELLO)
    return argument.decode("ascii")


def mail(argument: bytes, *, tls: bool) -> tuple[str, MailParams]:
    """The sender ("" for the null reverse path) and the parameters of MAIL. Raises Rejected."""
    match = _MAIL.fullmatch(argument)
    if match is None:
        raise Rejected(_misshapen(argument, b"FROM:", replies.BAD_SENDER))
    params = NO_PARAMS if match[2] is None else _mail_params(match[2], tls=tls)
    if not match[1]:
        return "", params
    try:
        return path(match[1], smtputf8=params.smtputf8), params
    except BadAddress as bad:
        raise Rejected(_SENDER_FLAWS[bad.flaw]) from None


def rcpt(argument: bytes, *, smtputf8: bool, postmaster: str = "") -> EnvelopeRecipient:
    """One recipient with its delivery status wishes; `postmaster` stands for a bare <Postmaster>. Raises Rejected."""
    match = _RCPT.fullmatch(argument)
    if match is None:
        raise Rejected(_misshapen(argument, b"TO:", replies.BAD_RECIPIENT))
    notify = orcpt = ""
    if match[2] is not None:
        notify, orcpt = _rcpt_params(match[2], smtputf8=smtputf8)
    if postmaster and match[1].lower() == b"postmaster":
        return EnvelopeRecipient(postmaster, notify, orcpt)
    try:
        return EnvelopeRecipient(path(match[1], smtputf8=smtputf8), notify, orcpt)
    except BadAddress as bad:
        raise Rejected(_RECIPIENT_FLAWS[bad.flaw]) from None


def bdat(argument: bytes) -> tuple[int, bool] | None:
    """The size in octets and whether the chunk is the last; None when unreadable: nothing tells where it ends."""
    match = _BDAT.fullmatch(argument)
    return None if match is None else (int(match[1]), match[2] is not None)


def _misshapen(argument: bytes, keyword: bytes, address_reply: bytes) -> bytes:
    """The reply when the keyword was there and the path is bad, or when the command has no right shape at all."""
    return address_reply if argument[: len(keyword)].upper() == keyword else replies.BAD_ARGUMENT


def _params(text: bytes) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for word in text.rstrip(b" ").split(b" "):
        match = _PARAM.fullmatch(word)
        if match is None:
            raise Rejected(replies.BAD_ARGUMENT)
        key = match[1].decode("ascii").upper()
        if key in found:
            raise Rejected(replies.BAD_ARGUMENT)
        found[key] = match[2]
    return found


def _mail_params(text: bytes, *, tls: bool) -> MailParams:
    size, body, utf8, ret, envid, requiretls = 0, "", False, "", "", False
    for key, value in _params(text).items():
        if key == "SIZE":
            if value is None or not value.isdigit() or len(value) > 20:  # RFC 1870: 1*20DIGIT
                raise Rejected(replies.BAD_ARGUMENT)
            size = int(value)
        elif key == "BODY":
            body = (value or b"").decode("ascii", "replace").upper()
            if body not in {"7BIT", "8BITMIME"}:
                raise Rejected(replies.UNKNOWN_PARAMETER if body == "BINARYMIME" else replies.BAD_ARGUMENT)
        elif key == "SMTPUTF8":
            utf8 = _bare(value)
        elif key == "RET":
            ret = (value or b"").decode("ascii", "replace").upper()
            if ret not in {"FULL", "HDRS"}:
                raise Rejected(replies.BAD_ARGUMENT)
        elif key == "ENVID":
            envid = xtext(value, 100)
        elif key == "AUTH":
            # RFC 4954 section 5: read, and not believed; the credential of this session is what counts.
            if value != b"<>":
                xtext(value, 500)
        elif key == "REQUIRETLS" and tls:
            requiretls = _bare(value)
        else:
            raise Rejected(replies.UNKNOWN_PARAMETER)
    return MailParams(size, body, utf8, ret, envid, requiretls)


def _rcpt_params(text: bytes, *, smtputf8: bool) -> tuple[str, str]:
    notify = orcpt = ""
    for key, value in _params(text).items():
        if key == "NOTIFY":
            words = (value or b"").decode("ascii", "replace").upper().split(",")
            if words != ["NEVER"] and (
                not {"SUCCESS", "FAILURE", "DELAY"}.issuperset(words) or len(set(words)) != len(words)
            ):
                raise Rejected(replies.BAD_ARGUMENT)
            notify = ",".join(words)
        elif key == "ORCPT":
            kind, found, address = (value or b"").partition(b";")
            if not found or _ATOM.fullmatch(kind) is None:
                raise Rejected(replies.BAD_ARGUMENT)
            orcpt = _original_recipient(kind.decode("ascii").lower(), address, smtputf8=smtputf8)
        else:
            raise Rejected(replies.UNKNOWN_PARAMETER)
    return notify, orcpt


def _original_recipient(kind: str, address: bytes, *, smtputf8: bool) -> str:
    if kind != "utf-8":
        return f"{kind};{xtext(address, 500)}"
    # RFC 6533: the address as UTF-8, or with \x{HEX} in place of what ASCII cannot say.
    try:
        text = address.decode("utf-8" if smtputf8 else "ascii")
        text = _UTF8_CODE.sub(lambda code: chr(int(code[1], 16)), text)
    except (UnicodeDecodeError, ValueError, OverflowError):
        raise Rejected(replies.BAD_ARGUMENT) from None
    if not text or len(address) > 500 or not text.isprintable():
        raise Rejected(replies.BAD_ARGUMENT)
    return f"utf-8;{text}"


def xtext(value: bytes | None, limit: int) -> str:
    """Decoded xtext (RFC 3461 section 4) of at most `limit` encoded octets; what it hides must be printable ASCII."""
    if not value or len(value) > limit or _XTEXT.fullmatch(value) is None:
        raise Rejected(replies.BAD_ARGUMENT)
    if b"+" not in value:
        return value.decode("ascii")
    decoded = _XTEXT_CODE.sub(lambda code: bytes((int(code[1], 16),)), value)
    if any(octet < 0x20 or octet > 0x7E for octet in decoded):
        raise Rejected(replies.BAD_ARGUMENT)
    return decoded.decode("ascii")


def _bare(value: bytes | None) -> bool:
    """For a parameter that takes no value."""
    if value is not None:
        raise Rejected(replies.BAD_ARGUMENT)
    return True
