"""What is handed to the courier, and what it brings back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mailward.base.outcome import Outcome, PermFail, TempFail
from mailward.base.secret import Secret
from mailward.policy.tls import TlsFacts, TlsPolicy
from mailward.protocol.smtp.client import Exchange
from mailward.protocol.smtp.client_mail import Dsn, WireContent


class CourierJob(NamedTuple):
    """One message for one destination.

    `hosts` are (name, address, port), tried in that order; they were judged by the egress policy.
    Equal `route_key`s share connections and limits. `content` is canonical: CRLF only; or ready for the wire. `source`
    and `source6` are the local addresses to send from, or "": where one is given, a host of the other family is
    passed over unless there is one for it too. `auth` is (user, password) for a relay that asks for it.
    `eight_bit` is informative: the courier looks at the bytes. `seven_bit` makes another form of content that holds
    8-bit octets, asked for when a server without 8BITMIME is met, or says why there is none.
    """

    route_key: str
    hosts: tuple[tuple[str, str, int], ...]
    tls_policy: TlsPolicy
    helo: str
    mail_from: str
    recipients: tuple[str, ...]
    content: bytes | tuple[bytes, ...] | WireContent
    smtputf8: bool = False
    eight_bit: bool = False
    dsn: Dsn | None = None
    requiretls: bool = False
    source: str = ""
    source6: str = ""
    auth: tuple[str, Secret[str]] | None = None
    seven_bit: Callable[[], WireContent | PermFail | TempFail] | None = None


class CourierResult(NamedTuple):
    """How it went: an outcome for each recipient, in order; `tls` is None when the hop was in clear.

    `rewritten` says what of the content was changed for the server that answered. `each`, where it took more than one
    transaction: what this says, for each recipient by itself.
    """

    outcomes: tuple[Outcome, ...]
    host: str
    ip: str
    why: str
    tls: TlsFacts | None
    dialogue: tuple[Exchange, ...]
    elapsed_ms: int
    rewritten: tuple[str, ...] = ()
    each: tuple[CourierResult, ...] = ()
