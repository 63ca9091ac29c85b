"""Accepting mail from the world: Mailward's MX with all checks on, beside Postfix and Haraka, DNS on loopback.

Every server gets the same DKIM-signed message (RSA-2048, 10 kB) from smtp-source, and the same unbound with the
sender's SPF, DKIM and DMARC records (OpenDKIM has the key from a file).
Mailward judges SPF, DKIM, DMARC and ARC, parses in a limited process and scans
with YARA; Postfix is measured with its milters off and with OpenDKIM verifying; Haraka with its spf and dkim plugins.
All keep what they accept, and nobody hands it on.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import smtplib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dkim  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench import meter
from bench.plan import Plan, Results
from tests.scenarios.peers import (
    REPOSITORY,
    Dns,
    Peer,
    PeerFailed,
    Postfix,
    answers,
    free_port,
    stop,
    tool,
    wait_until,
)
from tests.scenarios.platform import Platform

SENDER = "app@sender.test"
DOMAIN = "demo.mailward.test"
RECIPIENT = f"in@{DOMAIN}"
SIZE = 10_000
SESSIONS = 20


class Sending:
    """The sending domain: a signed message in a file, and the records that let a receiver judge it."""

    def __init__(self, folder: Path) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        public = base64.b64encode(
            key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        ).decode()
        self.records = [
            'sender.test. 3600 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"',
            '_dmarc.sender.test. 3600 IN TXT "v=DMARC1; p=reject"',
            f's._domainkey.sender.test. 3600 IN TXT "v=DKIM1; k=rsa; p={public[:200]}" "{public[200:]}"',
        ]
        self.key_line = f"s._domainkey.sender.test v=DKIM1; k=rsa; p={public}"
        head = (
            f"From: App <{SENDER}>\r\nTo: {RECIPIENT}\r\nSubject: A signed message\r\n"
            "Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@sender.test>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n\r\n"
        ).encode()
        plain = head + b"".join(b"%078d\r\n" % n for n in range((SIZE - len(head)) // 80))
        self.content = bytes(dkim.sign(plain, b"s", b"sender.test", pem)) + plain
        self.file = folder / "message"
        # smtp-source ends each line with CRLF itself.
        self.file.write_bytes(self.content.replace(b"\r\n", b"\n"))

    def load(self, port: int, messages: int, limit: float) -> float:
        """Seconds smtp-source took, a connection a message; PeerFailed past `limit` seconds."""
        command = [
            tool("smtp-source"),
            "-4",
            "-s",
            str(min(SESSIONS, messages)),
            "-m",
            str(messages),
            "-F",
            str(self.file),
        ]
        command += ["-C", "20", "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{port}"]
        started = time.perf_counter()
        try:
            done = subprocess.run(command, capture_output=True, timeout=limit, check=False)  # noqa: S603  # fixed list
        except subprocess.TimeoutExpired:
            raise PeerFailed(f"smtp-source was not done after {limit:g} s") from None
        if done.returncode:
            raise PeerFailed("smtp-source: " + done.stderr.decode("utf-8", "replace")[-300:])
        return time.perf_counter() - started


class MailwardMx:
    """The product as it comes, every check on; the role that hands over is left out, as the peers hold their mail."""

    def __init__(self, sending: Sending, dns: Dns) -> None:
        self._sending = sending
        self.platform = Platform(
            settings={
                "server.roles": ["web", "submission", "upkeep", "mx"],
                "delivery.resolvers": [dns.address],
                "mx.max_connections_per_ip": 1000,
                "mx.connections_per_minute_ip": 0,
            }
        )
        self.port = self.platform.mx_port

    def __enter__(self) -> MailwardMx:
        self.platform.__enter__()
        body = {"domain": DOMAIN, "kind": "exact", "pattern": "in", "url": f"http://127.0.0.1:{free_port()}/in"}
        status, said = self.platform.api("POST", "/v1/routes", body)
        if status != 201:
            raise PeerFailed(f"making a route: {status} {said}")
        wait_until(lambda: all(_takes(self.port) for _ in range(12)), "every worker to know the route", 15)
        return self

    def __exit__(self, *_: object) -> None:
        self.platform.__exit__(None, None, None)

    def roots(self) -> list[int]:
        return [self.platform.pid]

    def database(self) -> list[int]:
        return []

    def verify(self) -> None:
        """The last message passed SPF, DKIM and DMARC, and was scanned."""
        _, page = self.platform.api("GET", "/v1/received?limit=1")
        got = page["data"][0]
        if (verdicts := tuple(got[k] for k in ("spf", "dkim", "dmarc", "scan"))) != ("pass", "pass", "pass", "clean"):
            raise PeerFailed(f"mailward judged {verdicts}")


class PostfixMx:
    """Postfix alone, or with OpenDKIM verifying. It keeps its mail."""

    def __init__(self, sending: Sending, dns: Dns, *, milter: bool = False) -> None:
        self._dkim = OpenDkimVerifier(sending) if milter else None
        self._postfix: Postfix | None = None
        self._stack = contextlib.ExitStack()
        self.port = 0

    def __enter__(self) -> PostfixMx:
        if self._dkim is not None:
            self._stack.enter_context(self._dkim)
        self._postfix = self._stack.enter_context(
            Postfix(free_port(), deferred=True, milter=self._dkim.socket if self._dkim else None)
        )
        self.port = self._postfix.port
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def roots(self) -> list[int]:
        assert self._postfix is not None
        milter = [self._dkim.process.pid] if self._dkim and self._dkim.process else []
        return [self._postfix.master_pid, *milter]

    def database(self) -> list[int]:
        return []

    def verify(self) -> None:
        """With the milter, a queued message says that its signature passed."""
        assert self._postfix is not None
        if self._dkim is None:
            return
        queued = [p for p in (self._postfix.queue / "deferred").rglob("*") if p.is_file()]
        passed = sum(b"dkim=pass" in p.read_bytes() for p in queued)
        if not queued or passed < len(queued):
            raise PeerFailed(f"OpenDKIM said dkim=pass of {passed} of {len(queued)}")


class OpenDkimVerifier(Peer):
    """OpenDKIM as a milter that verifies. It has the key from a file: its resolver fails under concurrent first use.

    That spares it the question, to its advantage.
    """

    def __init__(self, sending: Sending) -> None:
        super().__init__()
        self._sending = sending
        self.socket = self.folder / "milter.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen."""
        keys = self.folder / "keys"
        keys.write_text(self._sending.key_line + "\n")
        config = self.folder / "opendkim.conf"
        config.write_text(
            f"Socket local:{self.socket}\nMode v\nInternalHosts 192.0.2.1\nSyslog no\nUMask 000\nBackground no\n"
            f"AlwaysAddARHeader yes\nAuthservID postfix.test\nTestPublicKeys {keys}\n"
        )
        self.process = subprocess.Popen([tool("opendkim"), "-f", "-x", str(config)])  # noqa: S603  # fixed list
        wait_until(self.socket.exists, "OpenDKIM")

    def close(self) -> None:
        if self.process is not None:
            stop(self.process)


_HARAKA_PLUGIN = """
const dns = require('node:dns')
exports.register = function () {
  dns.setServers(['127.0.0.1:PORT'])
  dns.promises.setServers(['127.0.0.1:PORT'])
}
// The spf plugin asks nothing about private addresses, and loopback is one.
exports.hook_connect_init = function (next, connection) { connection.remote.is_private = false; next() }
exports.hook_rcpt = function (next, connection) { connection.relaying = true; next(OK) }
exports.hook_queue_outbound = function (next, connection) {
  const spf = connection.transaction.results.get('spf')
  const dkim = connection.transaction.results.get('dkim')
  if (!this.said) require('node:fs').writeFileSync('FILE', JSON.stringify({ spf, dkim }))
  this.said = true
  next()
}
"""


class HarakaMx(Peer):
    """Haraka with its spf and dkim plugins, a worker a core, its durable queue."""

    def __init__(self, sending: Sending, dns: Dns) -> None:
        super().__init__()
        self._dns = dns
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._verdict = self.folder / "verdict.json"

    def start(self) -> None:
        """Lay out a configuration and start it."""
        home = REPOSITORY / ".tools" / "haraka" / "node_modules" / "Haraka"
        config, plugins = self.folder / "config", self.folder / "plugins"
        for folder in (config, plugins, self.folder / "queue"):
            folder.mkdir()
        shutil.copy(home / "config" / "connection.ini", config)
        files = {
            "me": "haraka.bench.test\n",
            "host_list": "\n",
            "loglevel": "LOGCRIT\n",
            "log.ini": "[main]\nlevel=crit\n",
            "smtp.ini": f"[main]\nlisten=127.0.0.1:{self.port}\nnodes={os.cpu_count() or 1}\n",
            "outbound.ini": "disabled=true\n",
            "plugins": "bench_inbound\nspf\ndkim\n",
            "dkim.ini": "[sign]\nenabled=false\n[verify]\nenabled=true\n",
            "databytes": "41943040\n",
        }
        for name, text in files.items():
            (config / name).write_text(text)
        code = _HARAKA_PLUGIN.replace("PORT", str(self._dns.port)).replace("FILE", str(self._verdict))
        (plugins / "bench_inbound.js").write_text(code)
        self._process = subprocess.Popen(  # noqa: S603  # fixed list, no shell
            [tool("node"), str(home / "bin" / "haraka"), "-c", str(self.folder)],
            stdout=(self.folder / "log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        wait_until(lambda: answers(self.port), "Haraka: " + (self.folder / "log").read_text()[-500:])

    def roots(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid]

    def database(self) -> list[int]:
        return []

    def verify(self) -> None:
        """Its plugins said that SPF and the signature passed."""
        said = self._verdict.read_text() if self._verdict.exists() else "nothing"
        if not re.search(r'"spf":\{.*?[Pp]ass', said) or not re.search(r'"dkim":\{.*?pass', said):
            raise PeerFailed(f"Haraka judged {said[:600]}")

    def close(self) -> None:
        if self._process is not None:
            stop(self._process)


MAKERS: dict[str, dict[str, Callable[[Sending, Dns], Any]]] = {
    "postfix": {
        "postfix": PostfixMx,
        "postfix+dkim": lambda sending, dns: PostfixMx(sending, dns, milter=True),
    },
    "haraka": {"haraka": HarakaMx},
    "mailward": {"mailward-mx": MailwardMx},
}


def _takes(port: int) -> bool:
    with contextlib.suppress(OSError, smtplib.SMTPException), smtplib.SMTP("127.0.0.1", port, timeout=5) as session:
        return session.ehlo()[0] == 250 and session.mail(SENDER)[0] == 250 and session.rcpt(RECIPIENT)[0] == 250
    return False


def inbound(name: str, plan: Plan, results: Results) -> None:
    """Accept a signed message of 10 kB over 20 sessions: messages a second, CPU per 1,000, memory."""
    for label, make in MAKERS.get(name, {}).items():
        with Holding() as held, Dns(held.sending.records) as dns, make(held.sending, dns) as server:
            held.sending.load(server.port, max(100, plan.messages // 10), plan.limit)
            server.verify()
            before = meter.settled(server)
            with meter.Peak(server.roots) as peak:
                seconds = held.sending.load(server.port, plan.messages, plan.limit)
            spent = meter.settled(server) - before
            results.add(label, "inbound", "rate", plan.messages / seconds)
            results.add_cpu(label, "inbound", spent, plan.messages)
            results.add(label, "inbound", "resident", peak.bytes)


class Holding(Peer):
    """A folder with the message to send, while it is needed."""

    sending: Sending

    def start(self) -> None:
        """Make the key, the message and the records."""
        self.sending = Sending(self.folder)

    def close(self) -> None:
        """The folder goes by itself."""
