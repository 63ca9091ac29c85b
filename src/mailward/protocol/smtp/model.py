"""Values that leave the SMTP machine: who connected, what the envelope says, what the session was like."""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """The far end of a connection as the kernel reports it; never what the client claims.

    `ip` is text (a v4-mapped IPv6 address is written as IPv4), ports are numbers.
    """

    ip: str
    port: int
    local_port: int


class MailParams(NamedTuple):
    """The parameters of MAIL FROM that were understood.

    `size` is in octets, 0 when not stated (RFC 1870). `body` is "7BIT", "8BITMIME" or "" (RFC 6152). `ret` is
    "FULL", "HDRS" or "", and `envid` is decoded xtext (RFC 3461). REQUIRETLS is RFC 8689, SMTPUTF8 is RFC 6531.
    """

    size: int = 0
    body: str = ""
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    requiretls: bool = False


class EnvelopeRecipient(NamedTuple):
    """One accepted RCPT TO. `notify` is "" or NOTIFY's words with commas; `orcpt` is "type;address", decoded."""

    address: str
    notify: str = ""
    orcpt: str = ""


class SmtpEnvelope(NamedTuple):
    """A whole transaction before its content. `sender` is "" for the null reverse path; `size` is octets of content."""

    sender: str
    recipients: tuple[EnvelopeRecipient, ...]
    ret: str
    envid: str
    body: str
    smtputf8: bool
    requiretls: bool
    size: int


class SessionFacts(NamedTuple):
    """What the trace header and the timeline may say about a session. TLS fields are "" for one in the clear.

    `extended`: it was greeted with EHLO.
    """

    helo: str
    ip: str
    tls_version: str
    tls_cipher: str
    listener: str
    extended: bool = True


NO_PARAMS = MailParams()
