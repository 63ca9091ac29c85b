"""The whole platform, started as an operator starts it, on ports of its own and in a folder of its own."""

from __future__ import annotations

import json
import os
import smtplib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.scenarios.killing import kill_family
from tests.scenarios.peers import REPOSITORY, Dns, Peer, PeerFailed, answers, free_port, stop, wait_until

# Each role's workers show their metrics at ports of their own, so far above the one in the settings.
METRICS = tuple(block + n for block in (0, 100, 200, 300, 400) for n in range(3))[1:]


class Platform(Peer):
    """`mailward up` with a settings file of its own, and the credentials a client needs.

    Without `domain` it runs in capture mode. With one it has a host name and a resolver of its own
    (unbound), the domain's records are published there, and the domain is verified as any other.
    `route` sends everything to one next hop; `settings` adds or replaces `section.key` values.
    """

    def __init__(
        self,
        *,
        domain: str = "",
        route: str = "",
        paused: bool = False,
        sign: bool = True,
        settings: Mapping[str, Any] | None = None,
        workers: int = 0,
    ) -> None:
        super().__init__()
        self.domain = domain or "demo.mailward.test"
        self.data = self.folder / "data"
        self.config = self.folder / "mailward.toml"
        self.http_port, self.starttls_port, self.implicit_port = free_port(), free_port(), free_port()
        self.private_port, self.metrics_port = free_port(), free_port(METRICS)
        self.mx_port = free_port()
        self._own_domain = bool(domain)
        self._dns: Dns | None = None
        self._zone: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._values: dict[str, Any] = {
            "server.data": str(self.data),
            "server.user": "",
            "server.workers": workers,
            "http.listen": [f"127.0.0.1:{self.http_port}"],
            "http.metrics": f"127.0.0.1:{self.metrics_port}",
            "submission.starttls": [f"127.0.0.1:{self.starttls_port}"],
            "submission.implicit": [f"127.0.0.1:{self.implicit_port}"],
            "submission.private": [f"127.0.0.1:{self.private_port}"],
            "mx.listen": [f"127.0.0.1:{self.mx_port}"],
            "submission.max_connections_per_ip": 5000,
            "delivery.paused": paused,
            "delivery.sign": sign,
            "delivery.allow_networks": ["127.0.0.0/8"],
            "limits.api_per_minute": 0,
            # On, as everywhere, and beyond what one machine can do: a load test is one source and one domain.
            "limits.smtp_connections_per_minute_ip": 100_000_000,
            "limits.smtp_messages_per_minute_domain": 100_000_000,
        }
        if route:
            self._values["delivery.routes"] = {"*": route}
        if domain:
            self._values["server.hostname"] = f"mail.{domain}"
        self._values |= settings or {}
        self.admin_key = self.send_key = self.smtp_user = self.smtp_password = ""

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._process is not None
        return self._process

    @property
    def log(self) -> str:
        """Everything it printed."""
        return "".join(p.read_text("utf-8", "replace") for p in sorted(self.folder.glob("out-*.log")))

    def start(self) -> None:
        """Settings, resolver, processes, credentials, and the domain verified."""
        if self._own_domain:
            self._dns = Dns(["nothing.test. IN A 192.0.2.1"])
            self._dns.__enter__()
            self._values["delivery.resolvers"] = [self._dns.address]
        self.config.write_text(toml(self._values))
        self.launch()
        self.admin_key = self.cli_json("key", "create", "bench-admin", "--scope", "admin")["secret"]
        self.send_key = self.made("/v1/keys", name="bench-send", scopes=["send"])["secret"]
        credential = self.made("/v1/smtp-credentials", name="bench-smtp")
        self.smtp_user, self.smtp_password = credential["username"], credential["password"]
        self.made("/v1/smtp-credentials", name="bench-network", kind="network", networks=["127.0.0.0/8"])
        if self._own_domain:
            self.verify_domain(self.domain)
        elif self._values["submission.private"] and not _is_closed(self.private_port):
            # Workers look for new source networks a few times a second; a listener serves the worker that takes it.
            wait_until(lambda: all(self._is_known() for _ in range(12)), "every worker to know the network", 10)

    def launch(self) -> None:
        """Start the processes on the data folder as it is, and wait until they serve."""
        out = (self.folder / f"out-{time.time_ns()}.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mailward", "up", "--config", str(self.config)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            start_new_session=True,
        )
        out.close()
        process = self._process

        def ready() -> bool:
            if process.poll() is not None:
                raise PeerFailed(f"mailward ended with {process.returncode}: {self.log[-3000:]}")
            return answers(self.http_port) and self._is_ready()

        try:
            wait_until(ready, "mailward", 40)
        except PeerFailed as e:
            raise PeerFailed(f"{e}: {self.log[-3000:]}") from None

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAILWARD_")}
        return kept | {"PYTHONPATH": str(REPOSITORY / "src")}

    def cli(self, *args: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the command line against this installation."""
        return subprocess.run(
            [sys.executable, "-m", "mailward", *args, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            env=self._environment(),
        )

    def cli_json(self, *args: str) -> Any:
        """The JSON a command prints with --json; PeerFailed with its words when it fails."""
        done = self.cli(*args, "--json")
        if done.returncode:
            raise PeerFailed(f"mailward {' '.join(args)}: {done.stderr[-1500:]}{done.stdout[-500:]}")
        return json.loads(done.stdout)

    def api(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """One API call: status and decoded body (bytes when it is not JSON)."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.admin_key if key is None else key}",
                "Content-Type": "application/json",
            }
            | {k.replace("_", "-"): v for k, v in headers.items()},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, kind, content = answer.status, answer.headers.get_content_type(), answer.read()
        except urllib.error.HTTPError as e:
            with e:
                status, kind, content = e.code, e.headers.get_content_type(), e.read()
        return status, json.loads(content) if kind.endswith("json") and content else content

    def wait_status(self, message: str, statuses: Sequence[str], seconds: float = 20) -> str:
        """Poll one message until its status is among those; PeerFailed with its explanation otherwise."""
        seen = ""

        def arrived() -> bool:
            nonlocal seen
            _, detail = self.api("GET", f"/v1/messages/{message}")
            seen = str(detail.get("status", detail))
            return seen in statuses

        try:
            wait_until(arrived, f"{message} to be {' or '.join(statuses)}", seconds, 0.1)
        except PeerFailed as e:
            _, why = self.api("GET", f"/v1/messages/{message}/explain")
            raise PeerFailed(f"{e}; it is {seen}: {json.dumps(why)[:3000]}") from None
        return seen

    def verify_domain(self, name: str, key: str | None = None) -> None:
        """Add a domain to the key's workspace and publish its records; PeerFailed unless it is verified then."""
        assert self._dns is not None
        status, domain = self.api("POST", "/v1/domains", {"name": name}, key=key)
        if status >= 300:
            raise PeerFailed(f"adding {name}: {status} {domain}")
        self._zone += zone_lines(domain["records"])
        self._dns.publish(self._zone)
        status, domain = self.api("POST", f"/v1/domains/{domain['id']}/check", key=key)
        if status >= 300 or domain["status"] != "verified":
            raise PeerFailed(f"checking {name}: {status} {json.dumps(domain)[:3000]}")
        if key is None:
            # Each worker looks for changed domains a few times a second; a listener serves the worker that takes it.
            wait_until(lambda: all(self._may_send() for _ in range(12)), f"every worker to know {name}", 10)

    def made(self, path: str, **body: Any) -> Any:
        """What the API made there; PeerFailed with its words unless it answers 201."""
        status, answer = self.api("POST", path, body)
        if status != 201:
            raise PeerFailed(f"POST {path}: {status} {answer}")
        return answer

    def _is_known(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.private_port, timeout=5) as session:
                return session.ehlo()[0] == 250 and session.mail(f"probe@{self.domain}")[0] != 530
        except (OSError, smtplib.SMTPException):
            return False

    def _may_send(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.private_port, timeout=5) as session:
                return session.ehlo()[0] == 250 and session.mail(f"probe@{self.domain}")[0] == 250
        except (OSError, smtplib.SMTPException):
            return False

    def txt(self, host: str) -> bytes:
        """The TXT strings published for a name by the platform's own resolver, joined."""
        assert self._dns is not None
        done = subprocess.run(
            ["dig", "+short", "+tcp", "-p", str(self._dns.port), "@127.0.0.1", host, "TXT"],
            capture_output=True,
            timeout=20,
            check=True,
        )
        return b"".join(done.stdout.strip().strip(b'"').split(b'" "'))

    def kill(self) -> None:
        """kill -9 for the supervisor and all its processes at one instant, as when the machine fails."""
        kill_family(self.process)

    def close(self) -> None:
        if self._process is not None:
            stop(self._process, 45)
        if self._dns is not None:
            self._dns.__exit__(None, None, None)


def _is_closed(port: int) -> bool:
    with socket.socket() as s:
        return bool(s.connect_ex(("127.0.0.1", port)))


def zone_lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Records as the API lists them, in the form of zone-file lines; long TXT values are split into strings of 255."""
    lines = []
    for record in records:
        name, kind, value = record["name"].rstrip("."), record["type"], record["value"]
        if kind == "TXT":
            text = value.strip('"')
            value = " ".join(f'"{text[i : i + 255]}"' for i in range(0, len(text), 255))
        lines.append(f"{name}. 60 IN {kind} {value}")
    return lines


def toml(values: Mapping[str, Any]) -> str:
    """`section.key` values as TOML text."""
    sections: dict[str, list[str]] = {}
    for dotted, value in values.items():
        section, _, key = dotted.partition(".")
        sections.setdefault(section, []).append(f"{key} = {_value(value)}")
    return "\n".join(f"[{s}]\n" + "\n".join(lines) + "\n" for s, lines in sections.items())


def _value(value: Any) -> str:
    match value:
        case dict():
            return "{ " + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + " }"
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:
            return json.dumps(value)


def installation_files(data: Path) -> list[Path]:
    """Every regular file under a data folder."""
    return [p for p in data.rglob("*") if p.is_file()]
