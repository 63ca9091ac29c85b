"""The three servers under one shape: start in a mode, tell the port and the processes, forget what is queued."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.load import SENDER, Login
from tests.scenarios.peers import (
    REPOSITORY,
    OpenDkim,
    Peer,
    PeerFailed,
    Postfix,
    SmtpSink,
    answers,
    free_port,
    stop,
    tool,
    wait_until,
)
from tests.scenarios.platform import Platform

DOMAIN = SENDER.partition("@")[2]
ROLES = ("web", "submission", "sender", "upkeep")


@dataclass(frozen=True)
class Mode:
    """What a run asks: `hold` accepts and sends nothing; `sign` signs; `secure` offers STARTTLS and AUTH."""

    hold: bool = False
    sign: bool = False
    secure: bool = False


class Server(Protocol):
    """A server that runs: `port` takes smtp-source, `secure_port` and `login` sessions with TLS."""

    name: str
    port: int
    secure_port: int
    login: Login

    def roots(self) -> list[int]:
        """Processes whose trees are the server's cost."""

    def database(self) -> list[int]:
        """Processes whose trees are the cost of its database, where it has one."""

    def queued(self) -> int:
        """Messages accepted and not yet gone, -1 when it cannot tell."""

    def purge(self) -> None:
        """Forget what is queued."""


class PostfixServer:
    """Postfix 3.7; signed means OpenDKIM on a Unix socket (RSA-2048 alone: it knows no Ed25519)."""

    name = "postfix"
    login = Login("bench", "a password for the bench")

    def __init__(self, mode: Mode, sink: SmtpSink) -> None:
        self._stack = contextlib.ExitStack()
        self._mode, self._sink = mode, sink
        self._dkim: OpenDkim | None = None
        self._postfix: Postfix | None = None
        self.port = self.secure_port = 0

    def __enter__(self) -> PostfixServer:
        extra: dict[str, str] = {}
        if self._mode.sign:
            self._dkim = self._stack.enter_context(OpenDkim(DOMAIN))
        if self._mode.secure:
            auth = self._stack.enter_context(DovecotAuth(self.login))
            certificate = self_signed(auth.folder)
            extra = {
                "smtpd_tls_security_level": "may",
                "smtpd_tls_chain_files": str(certificate),
                "smtpd_sasl_auth_enable": "yes",
                "smtpd_sasl_type": "dovecot",
                "smtpd_sasl_path": str(auth.path),
                "smtpd_tls_session_cache_database": "",
            }
        milter = self._dkim.socket if self._dkim else None
        self._postfix = self._stack.enter_context(
            Postfix(self._sink.port, deferred=self._mode.hold, milter=milter, extra=extra)
        )
        self.port = self.secure_port = self._postfix.port
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def roots(self) -> list[int]:
        assert self._postfix is not None
        dkim = [self._dkim.process.pid] if self._dkim and self._dkim.process else []
        return [self._postfix.master_pid, *dkim]

    def database(self) -> list[int]:
        return []

    def queued(self) -> int:
        assert self._postfix is not None
        return self._postfix.queued()

    def purge(self) -> None:
        assert self._postfix is not None
        self._postfix.purge()


class HarakaServer(Peer):
    """Haraka 3.3 with a worker a core, its own durable outbound queue, and its DKIM plugin when signing (RSA-2048)."""

    name = "haraka"
    login = Login("", "")
    secure_port = 0

    def __init__(self, mode: Mode, sink: SmtpSink) -> None:
        super().__init__()
        self._mode, self._sink = mode, sink
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Lay out a configuration and start it."""
        config = self.folder / "config"
        config.mkdir()
        (self.folder / "queue").mkdir()
        home = REPOSITORY / ".tools" / "haraka" / "node_modules" / "Haraka"
        program = home / "bin" / "haraka"
        if not program.exists():
            raise PeerFailed("Haraka is not installed; run tools/install-node.sh haraka")
        # Without this file Haraka 3.3 fails at its greeting.
        shutil.copy(home / "config" / "connection.ini", config)
        plugins = ["relay", "bench_accept", *(["dkim"] if self._mode.sign else [])]
        next_hop = f"127.0.0.1:{self._sink.port}"
        files = {
            "me": "haraka.bench.test\n",
            "host_list": "\n",
            "loglevel": "LOGCRIT\n",
            "log.ini": "[main]\nlevel=crit\n",
            "smtp.ini": f"[main]\nlisten=127.0.0.1:{self.port}\nnodes={os.cpu_count() or 1}\n",
            "relay.ini": "[relay]\nacl=true\nforce_routing=true\n",
            "relay_acl_allow": "127.0.0.0/8\n",
            "relay_dest_domains.ini": f'[domains]\nsink.test = {{ "action": "continue", "nexthop": "{next_hop}" }}\n',
            "outbound.ini": f"disabled={str(self._mode.hold).lower()}\nconcurrency_max=50\nenable_tls=false\n"
            "local_mx_ok=true\n",
            "plugins": "\n".join(plugins) + "\n",
            "databytes": "41943040\n",
        }
        if self._mode.sign:
            files["dkim.ini"] = "[sign]\nenabled=true\n[verify]\nenabled=false\n[canon]\nbody=relaxed\n"
            key = config / "dkim" / DOMAIN
            key.mkdir(parents=True)
            _openssl("genrsa", "-out", str(key / "private"), "2048")
            (key / "selector").write_text("bench\n")
        for name, text in files.items():
            (config / name).write_text(text)
        # Without a recipient plugin Haraka refuses all; relaying clients are what the relay plugin lets in.
        (self.folder / "plugins").mkdir()
        (self.folder / "plugins" / "bench_accept.js").write_text(
            "exports.hook_rcpt = function (next, connection) { next(connection.relaying ? OK : DENY) }\n"
        )
        self._process = subprocess.Popen(  # noqa: S603  # fixed list, no shell
            [tool("node"), str(program), "-c", str(self.folder)],
            stdout=(self.folder / "log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        wait_until(lambda: answers(self.port), "Haraka: " + (self.folder / "log").read_text()[-500:])

    def roots(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid]

    def database(self) -> list[int]:
        return []

    def queued(self) -> int:
        return sum(1 for p in (self.folder / "queue").iterdir() if p.is_file())

    def purge(self) -> None:
        for path in (self.folder / "queue").iterdir():
            path.unlink(missing_ok=True)

    def log(self) -> str:
        """What it printed."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def close(self) -> None:
        if self._process is not None:
            stop(self._process)


class MailwardServer:
    """The product with everything on: encryption, limits, suppression, audit, both signatures."""

    name = "mailward"

    platform: Platform
    """Once entered."""

    def __init__(self, mode: Mode, sink: SmtpSink) -> None:
        self._mode, self._sink = mode, sink
        self.port = self.secure_port = 0
        self.login = Login("", "")
        self.api_port, self.api_key = 0, ""

    def store_settings(self) -> dict[str, Any]:
        """Where state and bodies are kept, `section.key` each: in the data folder."""
        return {}

    def __enter__(self) -> MailwardServer:
        self.platform = Platform(
            domain=DOMAIN,
            route=f"127.0.0.1:{self._sink.port}",
            paused=self._mode.hold,
            sign=self._mode.sign or self._mode.hold,
            # Submission and relay are compared; the MX and its scanners have figures of their own.
            settings={"server.roles": list(ROLES)} | self.store_settings(),
        )
        self.platform.__enter__()
        self.port, self.secure_port = self.platform.private_port, self.platform.starttls_port
        self.api_port, self.api_key = self.platform.http_port, self.platform.send_key
        self.login = Login(self.platform.smtp_user, self.platform.smtp_password)
        return self

    def __exit__(self, *_: object) -> None:
        self.platform.__exit__(None, None, None)

    def roots(self) -> list[int]:
        return [self.platform.pid]

    def database(self) -> list[int]:
        return []

    def queued(self) -> int:
        return -1

    def purge(self) -> None:
        """Kept on purpose: accepted mail stays stored, as it does in use."""


def _openssl(*args: str) -> None:
    subprocess.run([tool("openssl"), *args], check=True, capture_output=True, timeout=60)  # noqa: S603  # fixed list


def self_signed(folder: Path) -> Path:
    """A key and certificate in one PEM file."""
    key, certificate, both = folder / "key.pem", folder / "cert.pem", folder / "chain.pem"
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=postfix.test", "-keyout", str(key), "-out", str(certificate))  # fmt: skip
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


class DovecotAuth(Peer):
    """As much of Dovecot's authentication protocol as Postfix asks for: PLAIN, one account, no hashing."""

    def __init__(self, login: Login) -> None:
        super().__init__()
        self.path = self.folder / "auth.sock"
        self._login = login
        self._listener = socket.socket(socket.AF_UNIX)

    def start(self) -> None:
        """Listen and answer in threads."""
        self._listener.bind(str(self.path))
        self.path.chmod(0o666)
        self._listener.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self._serve, args=(client, number), daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        with client, contextlib.suppress(OSError):
            client.sendall(
                f"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t{os.getpid()}\nCUID\t{number}\n"
                f"COOKIE\t{number:032x}\nDONE\n".encode()
            )
            for line in client.makefile("rb"):
                parts = line.rstrip(b"\n").split(b"\t")
                if parts[0] == b"AUTH":
                    client.sendall(b"OK\t%b\tuser=%b\n" % (parts[1], self._login.user.encode()))

    def close(self) -> None:
        # A thread in accept() keeps a closed listener alive; shutting it down wakes the thread.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def installed(name: str) -> bool:
    """Is there anything to start for this server?"""
    if name == "haraka":
        return (REPOSITORY / ".tools" / "haraka" / "node_modules" / "Haraka").is_dir() and shutil.which(
            "node"
        ) is not None
    return name.startswith("mailward") or (shutil.which("postconf", path="/usr/sbin:/usr/bin:/sbin") is not None)
