"""How one listener behaves. Durations in seconds."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from mailward.protocol.smtp.questions import ServerConfig

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Mode(Enum):
    """What a connection starts with."""

    STARTTLS = "starttls"  # 587: in the clear, nothing but STARTTLS is taken
    IMPLICIT = "implicit"  # 465: TLS from the first octet
    PRIVATE = "private"  # the credential is the source network; loopback or a listed network only
    MX = "mx"  # 25: anybody, about our own addresses; STARTTLS is offered and never demanded


@dataclass(frozen=True, slots=True)
class ListenerConfig:
    """The manners (`server`), the mode and the deadlines of a listener. `name` appears in facts, logs and metrics."""

    name: str
    mode: Mode
    server: ServerConfig
    command_idle: float = 300.0  # without a whole command; RFC 5321 section 4.5.3.2.7 asks for five minutes
    login: float = 120.0  # for a session to authenticate: what an unauthenticated stranger may hold a connection for
    content_idle: float = 180.0  # without an octet of content
    content_grace: float = 300.0  # for a message beside what its octets take at `content_rate` a second
    content_rate: float = 1024.0
    # While much content is held in memory, for messages of more than 64 KiB: a session that fails them is ended.
    tight_pause: float = 30.0
    tight_rate: float = 65_536.0
    session: float = 3600.0  # a session that would last longer reconnects
    handshake: float = 30.0
    linger: float = 2.0  # after a refusal, to let the client read it before the connection is reset
    tick: float = 1.0  # one sweep over all sessions instead of a timer for each read
    backlog: int = 1024
    held: int = 65_536  # octets of pipelined input held while an answer is awaited; past it reading stops
    proxies: tuple[Network, ...] = ()  # peers that must open with PROXY version 2; from nobody else is it understood


def submission(
    name: str,
    hostname: str,
    mode: Mode,
    *,
    max_size: int,
    max_recipients: int = 1000,
    idle: float = 300.0,
    session: float = 3600.0,
) -> ListenerConfig:
    """The three listeners of submission, each with what its mode implies."""
    private = mode is Mode.PRIVATE
    server = ServerConfig(
        hostname,
        max_size=max_size,
        max_recipients=max_recipients,
        tls_required=not private,
        starttls=mode is Mode.STARTTLS,
        auth=not private,
        postmaster=f"postmaster@{hostname}",
    )
    return ListenerConfig(name, mode, server, command_idle=idle, content_idle=min(idle, 180.0), session=session)


def reception(
    name: str,
    hostname: str,
    *,
    max_size: int,
    max_recipients: int,
    refusals: int = 50,
    faults: int = 10,
    session: float = 1800.0,
    proxies: tuple[Network, ...] = (),
) -> ListenerConfig:
    """The listener of an MX. `refusals` and `faults` are how many of each a session may cause between two messages.

    A sender that is told of so many unknown addresses is guessing them; one with so many syntax errors is no mailer.
    """
    server = ServerConfig(
        hostname,
        max_size=max_size,
        max_recipients=max_recipients,
        tls_required=False,
        starttls=True,
        auth=False,
        faults=faults,
        refusals=refusals,
        junk=40,
        postmaster=f"postmaster@{hostname}",
    )
    return ListenerConfig(name, Mode.MX, server, session=session, content_grace=120.0, proxies=proxies)
