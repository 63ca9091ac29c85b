"""Senders that note what was acknowledged to them: bare SMTP, the API, Postfix's smtp-source, and swaks.

Each message has a token of its own that ends up in the far end's ledger. A message that
got its 250 or 202 is acknowledged. One whose answer was lost is sent again: by SMTP
under a new token, since nobody can tell what became of it; by the API under the same
Idempotency-Key, which must make one message of it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Protocol

from tests.scenarios.peers import swaks, tool

SENDER = "app@demo.mailward.test"
RECIPIENT = "b@dest.test"
_PATIENCE = 90.0


class Sender(threading.Thread):
    """Sends until its numbers are used up or it is told to stop; keeps what was acknowledged and what was refused."""

    def __init__(self, name: str) -> None:
        super().__init__(daemon=True, name=name)
        self.acknowledged: list[tuple[str, str]] = []
        self.refusals: dict[str, int] = {}
        self.unanswered = 0
        self.failure = ""
        self.stopped = threading.Event()

    def refused(self, text: str) -> None:
        """Count a clear no."""
        self.refusals[text] = self.refusals.get(text, 0) + 1

    def run(self) -> None:
        try:
            self.send_all()
        except Exception as e:
            self.failure = f"{self.name}: {type(e).__name__}: {e}"

    def send_all(self) -> None:
        raise NotImplementedError

    def persist(self, once: Callable[[], bool]) -> None:
        """Try until it is acknowledged; an error after `_PATIENCE` seconds of no."""
        end = time.monotonic() + _PATIENCE
        while not once():
            if self.stopped.is_set():
                return
            if time.monotonic() > end:
                raise TimeoutError(f"not accepted for {_PATIENCE:g} s: {self.refusals}")
            time.sleep(0.05)


class Doors(Protocol):
    """Where mail is taken, and a credential for it."""

    starttls_port: int
    smtp_user: str
    smtp_password: str


class Dialogue:
    """A bare SMTP client on one connection. Replies are (code, text); OSError when it is cut."""

    def __init__(self, port: int, timeout: float = 60) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._file = self._socket.makefile("rb")
        try:
            self.greeting = self.reply()
        except BaseException:
            self.close()
            raise

    def reply(self) -> tuple[int, str]:
        """The next reply, the text of its last line."""
        while True:
            line = self._file.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError("closed")
            if line[3:4] != b"-":
                return int(line[:3]), line[4:].decode("utf-8", "replace").strip()

    def say(self, line: str) -> tuple[int, str]:
        """One command and its reply."""
        self._socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def send(self, token: str, size: int = 0, *, sender: str = SENDER, recipient: str = RECIPIENT) -> tuple[int, str]:
        """One message; the first reply that is not what was hoped for, or the last one."""
        for line, wanted in ((f"MAIL FROM:<{sender}>", 250), (f"RCPT TO:<{recipient}>", 250), ("DATA", 354)):
            answer = self.say(line)
            if answer[0] != wanted:
                return answer
        body = ("All work and no play makes a dull mail.\r\n" * (size // 41 + 1)) if size else ""
        return self.say(
            f"From: App <{sender}>\r\nTo: {recipient}\r\nSubject: ledger\r\nX-Ledger: {token}\r\n\r\n{token}\r\n{body}."
        )

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._file.close()
            self._socket.close()


class SmtpSender(Sender):
    """Numbers from `count` messages over one kept connection, made anew whenever it is cut."""

    def __init__(
        self, name: str, port: int, count: int, *, size: int = 0, sender: str = SENDER, recipient: str = RECIPIENT
    ) -> None:
        super().__init__(name)
        self._port, self._count, self._size = port, count, size
        self._from, self._to = sender, recipient
        self._dialogue: Dialogue | None = None

    def send_all(self) -> None:
        for number in range(self._count):
            if self.stopped.is_set():
                break
            tries = iter(range(1, 1_000_000))
            self.persist(lambda number=number, tries=tries: self._once(f"{self.name}-{number}-{next(tries)}"))  # type: ignore[misc]
        if self._dialogue is not None:
            self._dialogue.close()

    def _once(self, token: str) -> bool:
        try:
            if self._dialogue is None:
                self._dialogue = Dialogue(self._port)
                if self._dialogue.greeting[0] != 220 or self._dialogue.say("EHLO ledger.test")[0] != 250:
                    raise ConnectionResetError("not greeted")
            code, text = self._dialogue.send(token, self._size, sender=self._from, recipient=self._to)
        except (OSError, ValueError):
            self.unanswered += 1
            self._hang_up()
            return False
        if code == 250:
            self.acknowledged.append((token, self._to))
            return True
        self.refused(f"{code} {text}")
        if code == 421:
            self._hang_up()
        else:
            with contextlib.suppress(OSError, ValueError):
                self._dialogue.say("RSET")
        return False

    def _hang_up(self) -> None:
        if self._dialogue is not None:
            self._dialogue.close()
        self._dialogue = None


class ApiSender(Sender):
    """`count` messages by POST, each under an Idempotency-Key that is kept until there is an answer."""

    def __init__(self, name: str, port: int, key: str, count: int) -> None:
        super().__init__(name)
        self._port, self._key, self._count = port, key, count
        self._connection: http.client.HTTPConnection | None = None
        self.ids: dict[str, str] = {}

    def send_all(self) -> None:
        for number in range(self._count):
            if self.stopped.is_set():
                break
            self.persist(lambda token=f"{self.name}-{number}": self._once(token))  # type: ignore[misc]
        if self._connection is not None:
            self._connection.close()

    def _once(self, token: str) -> bool:
        body = {
            "from": SENDER, "to": [RECIPIENT], "subject": "ledger", "text": token, "headers": {"X-Ledger": token},
        }  # fmt: skip
        headers = {
            "Authorization": f"Bearer {self._key}", "Content-Type": "application/json", "Idempotency-Key": token,
        }  # fmt: skip
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            self._connection.request("POST", "/v1/messages", json.dumps(body), headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.unanswered += 1
            self._connection.close()
            self._connection = None
            return False
        if answer.status == 202:
            self.acknowledged.append((token, RECIPIENT))
            self.ids[token] = json.loads(content)["id"]
            return True
        with contextlib.suppress(ValueError, KeyError):
            self.refused(f"{answer.status} {json.loads(content)['code']}: {json.loads(content).get('detail', '')}")
        return False


class SourceSender(Sender):
    """smtp-source, one message after the other over one connection, in runs of `run_length`.

    It shows a number when it begins a message, and stops at the first thing that goes
    wrong: all before the last number shown were acknowledged.
    """

    def __init__(
        self,
        name: str,
        port: int,
        count: int,
        *,
        run_length: int = 100,
        size: int = 4000,
        sender: str = SENDER,
        recipient: str = RECIPIENT,
    ) -> None:
        super().__init__(name)
        self._from, self._to = sender, recipient
        self._port, self._count, self._length, self._size = port, count, run_length, size

    def send_all(self) -> None:
        run = 0
        end = time.monotonic() + _PATIENCE
        while len(self.acknowledged) < self._count and not self.stopped.is_set():
            run += 1
            length = min(self._length, self._count - len(self.acknowledged))
            name = f"src-{self.name}-{run}"
            done = subprocess.run(
                [
                    tool("smtp-source"), "-c", "-d", "-s", "1", "-m", str(length), "-l", str(self._size), "-S", name,
                    "-f", self._from, "-t", self._to, f"127.0.0.1:{self._port}",
                ],
                capture_output=True,
                timeout=600,
                check=False,
            )  # fmt: skip
            shown = [int(n) for n in re.findall(rb"\d+", done.stdout)]
            accepted = length if done.returncode == 0 else max((shown[-1] if shown else 0) - 1, 0)
            # It numbers its messages downwards.
            self.acknowledged += [(f"{name}/{length - 1 - k:04x}", self._to) for k in range(accepted)]
            if accepted:
                end = time.monotonic() + _PATIENCE
            if done.returncode:
                self.unanswered += 1
                self.refused(done.stderr.decode("utf-8", "replace").partition("fatal: ")[2].strip()[:120])
                if time.monotonic() > end:
                    raise TimeoutError(f"nothing accepted for {_PATIENCE:g} s: {self.refusals}")
                time.sleep(0.05)


class SwaksSender(Sender):
    """swaks with STARTTLS and AUTH: one process a message."""

    def __init__(self, name: str, platform: Doors, count: int) -> None:
        super().__init__(name)
        self._platform, self._count = platform, count

    def send_all(self) -> None:
        for number in range(self._count):
            if self.stopped.is_set():
                break
            tries = iter(range(1, 1_000_000))
            self.persist(lambda number=number, tries=tries: self._once(f"{self.name}-{number}-{next(tries)}"))  # type: ignore[misc]

    def _once(self, token: str) -> bool:
        platform = self._platform
        done = swaks(
            "--server", "127.0.0.1", "--port", str(platform.starttls_port), "--tls", "--auth", "PLAIN",
            "--auth-user", platform.smtp_user, "--auth-password", platform.smtp_password,
            "--from", SENDER, "--to", RECIPIENT, "--h-X-Ledger", token, "--hide-all", "--timeout", "30",
        )  # fmt: skip
        if done.returncode == 0:
            self.acknowledged.append((token, RECIPIENT))
            return True
        self.refused(f"swaks {done.returncode}")
        return False
