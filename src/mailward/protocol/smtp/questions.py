"""What the server machine asks the platform, and how it was told to behave."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeAlias

from mailward.base.secret import Secret
from mailward.protocol.smtp.model import EnvelopeRecipient, MailParams, SmtpEnvelope
from mailward.protocol.smtp.replies import reply


class Authenticate(NamedTuple):
    """Answer with `Server.authenticated()` or `Server.not_authenticated()`."""

    username: str
    password: Secret[str]


class Accept(NamedTuple):
    """A whole message. Answer with `Server.settled()`, after the message is on disk or refused."""

    envelope: SmtpEnvelope
    content: bytes


class Admit(NamedTuple):
    """A recipient that somebody else has to be asked about. Answer with `Server.admitted()`."""

    recipient: EnvelopeRecipient


class StartTls:
    """Write the 220, run the handshake, answer with `Server.tls_started()`. Input until then is dropped."""

    __slots__ = ()


Question: TypeAlias = Authenticate | Accept | Admit | StartTls

ASK = b""
"""What SessionPolicy.recipient() says when the answer takes time: the machine asks Admit."""


class SessionPolicy(Protocol):
    """The answers that a session needs at once. Where one is a reply, None is yes and the whole reply says no."""

    def still_valid(self) -> bytes | None:
        """Asked at every command after authentication; a reply ends the session."""
        ...

    def sender(self, address: str, params: MailParams) -> bytes | None:
        """Whether this principal may send as `address` ("" is the null reverse path)."""
        ...

    def recipient(self, address: str) -> bytes | None:
        """Whether this principal may send to `address`; ASK when that has to be found out."""
        ...

    def hold(self, octets: int) -> bool:
        """Whether so many octets of content may be kept in memory; what may not is refused at its end, 452 4.3.1."""
        ...


class ServerConfig:
    """One listener's manners. Sizes are in octets; the budgets end a session with 421 when they are spent.

    `tls_required` refuses AUTH and mail in the clear; `starttls` offers the upgrade; `auth` offers AUTH and demands it
    (off where the credential is the source network, and on an MX). `postmaster` is the address that a bare
    <Postmaster> stands for (RFC 5321 section 4.5.1), or "" to refuse it.
    """

    __slots__ = (
        "auth",
        "auth_failures",
        "banner",
        "drain",
        "ehlo_clear",
        "ehlo_tls",
        "faults",
        "helo",
        "junk",
        "max_recipients",
        "max_size",
        "postmaster",
        "refusals",
        "starttls",
        "tls_required",
    )

    def __init__(
        self,
        hostname: str,
        *,
        max_size: int = 26_214_400,
        max_recipients: int = 1000,
        tls_required: bool = True,
        starttls: bool = True,
        auth: bool = True,
        faults: int = 20,
        refusals: int = 1000,
        junk: int = 100,
        auth_failures: int = 3,
        drain: int = 8_388_608,
        postmaster: str = "",
    ) -> None:
        self.max_size = max_size
        self.max_recipients = max_recipients
        self.postmaster = postmaster
        self.tls_required = tls_required
        self.starttls = starttls
        self.auth = auth
        self.faults = faults  # protocol errors
        self.refusals = refusals  # addresses and messages the platform said no to, between two accepted messages
        self.junk = junk  # commands that bring no mail nearer, between two accepted messages
        self.auth_failures = auth_failures
        self.drain = drain  # content past max_size that is read and dropped, to be able to answer 552
        self.banner = reply(220, "", f"{hostname} ESMTP Mailward")
        self.helo = reply(250, "", hostname)
        always = [hostname, "PIPELINING", f"SIZE {max_size}", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN"]
        always.append("ENHANCEDSTATUSCODES")
        login = ["AUTH PLAIN LOGIN"] if auth else []
        # REQUIRETLS is offered over TLS only (RFC 8689 section 2), and so is AUTH where TLS is required.
        self.ehlo_tls = reply(250, "", "\n".join([*always, "REQUIRETLS", *login]))
        clear = ["STARTTLS"] if starttls else []
        self.ehlo_clear = reply(250, "", "\n".join([*always, *clear, *([] if tls_required else login)]))
