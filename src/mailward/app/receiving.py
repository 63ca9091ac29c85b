"""The settings of receiving: the MX listener, its limits, and what scans a message."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec

from mailward.app.forms import RATE, SECONDS, Each, Listener, Network, OneOf, Place, Socket, Url, Within

_NET_BIND_SERVICE = 10  # bit of CapEff, linux/capability.h


class ReceivingError(ValueError):
    """A setting of [mx] or [scanning] cannot be used; the text says which and why."""


DEFAULT = "default"


class Mx(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Receiving mail for the domains that point their MX here."""

    listen: Annotated[list[str], Each(Listener())] = msgspec.field(default_factory=lambda: [DEFAULT])
    """`address:port`. Default: 127.0.0.1:2525 in capture mode; with a hostname port 25, or 2525 where 25 may not be
    bound. An empty list: nowhere."""
    max_message_bytes: Annotated[int, Within(65_536, 2_147_483_647)] = 41_943_040
    max_recipients: Annotated[int, Within(100, 100_000)] = 100
    max_connections: Annotated[int, Within(1, 1_000_000)] = 2000
    """Open at once in a worker."""
    max_connections_per_ip: Annotated[int, Within(1, 1_000_000)] = 20
    """Open at once on a machine, from an IPv4 address or an IPv6 /64."""
    connections_per_minute_ip: Annotated[int, RATE] = 300
    """New connections of one source a minute; 0 means no limit."""
    max_refused_recipients: Annotated[int, Within(1, 1_000_000)] = 50
    """Unknown recipients a session may name between two messages."""
    max_errors: Annotated[int, Within(1, 1_000_000)] = 10
    """Protocol errors of a session."""
    session_seconds: Annotated[float, SECONDS] = 1800.0
    judge_seconds: Annotated[float, Within(1, 3600)] = 60.0
    """For everything asked about a message (DNS, scanners, endpoint in session not counted) before it is deferred."""
    dmarc: Annotated[str, OneOf(("mark", "enforce"))] = "mark"
    """What the policy of a sender's domain means for mail that fails DMARC: `mark` or `enforce`."""
    proxies: Annotated[list[str], Each(Network())] = msgspec.field(default_factory=list)
    """Networks of load balancers: they must open with PROXY protocol version 2, and nobody else may."""


class Scanning(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What looks at a message for malware and spam. Each scanner's verdict counts; the worst wins."""

    rules: Annotated[str, Place("folder")] = ""
    """A folder of YARA rules (*.yar) beside the built-in ones. Read when the platform starts."""
    clamd: Annotated[str, Socket()] = ""
    """`address:port` of a clamd on a loopback or listed network, or the path of its Unix socket. Empty: not used."""
    rspamd: Annotated[str, Url(("http",))] = ""
    """`http://address:port` of rspamd's normal worker. Empty: not used."""
    outbound: bool = True
    """Look into the files of what is submitted, too."""
    spam: Annotated[str, OneOf(("quarantine", "refuse", "mark"))] = "quarantine"
    """What rspamd's "reject" means for a message: `quarantine`, `refuse`, or `mark`."""
    malware: Annotated[str, OneOf(("quarantine", "refuse"))] = "quarantine"
    """What a match of a rule or signature means: `quarantine` or `refuse`."""
    seconds: Annotated[float, Within(0.1, 3600)] = 20.0
    """How long a scanner may take before it counts as down."""
    examiners: Annotated[int, Within(1, 1000)] = 1
    """Limited processes that read and scan messages, for each worker."""
    memory_bytes: Annotated[int, Within(67_108_864, 1 << 40)] = 536_870_912
    """Address space of such a process beyond what it has when it starts."""
    cpu_seconds: Annotated[int, Within(1, 3600)] = 10
    """CPU time such a process may spend on one message."""


def default_listen(capture: bool) -> list[str]:
    """Where the MX listens when nothing is said."""
    if capture:
        return ["127.0.0.1:2525"]
    return ["0.0.0.0:25" if may_bind_low() else "0.0.0.0:2525"]  # the MX of the world


def may_bind_low() -> bool:
    """Whether this process may listen on port 25."""
    if os.geteuid() == 0:
        return True
    try:
        lowest = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
        lines = Path("/proc/self/status").read_text().splitlines()
    except (OSError, ValueError):
        return False
    effective = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return lowest <= 25 or bool(effective >> _NET_BIND_SERVICE & 1)


def check_receiving(scanning: Scanning) -> None:
    """ReceivingError for what no scanner could work with."""
    if scanning.rules and not Path(scanning.rules).is_dir():
        raise ReceivingError(f"scanning.rules: there is no folder {scanning.rules}")
