"""A far end that keeps a ledger: an SMTP server of its own process, in few lines, sharing no code with the product.

Before it says 250 to a message it has appended a line to a file: the time, what names
the message, the recipient and the envelope sender. So the file knows of every message
that anybody may believe delivered. `python -m tests.scenarios.ledger PORT FILE` runs it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from typing import NamedTuple

from tests.scenarios.peers import REPOSITORY, Peer, answers, free_port, stop, wait_until

_TOKEN = re.compile(rb"^X-Ledger: (\S+)", re.M | re.I)
_SOURCE = re.compile(rb"^Subject: (src-\S+)", re.M | re.I)
_SOURCE_ID = re.compile(rb"^Message-Id: <[0-9a-f]+\.[0-9a-f]+\.([0-9a-f]+)@", re.M | re.I)


class Arrival(NamedTuple):
    """One copy of a message, just before it was answered 250. `at` is seconds of the machine's clock."""

    at: float
    token: str
    recipient: str
    sender: str


class LedgerSink(Peer):
    """The far end as a process. `stop_listening` and `listen` take it away and bring it back, on the same port."""

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._file = self.folder / "ledger"
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self._rest = b""
        self.arrivals: dict[tuple[str, str], list[Arrival]] = defaultdict(list)

    def start(self) -> None:
        self._file.touch()
        self.listen()

    def listen(self) -> None:
        """Serve from now on."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.scenarios.ledger", str(self.port), str(self._file)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
        )
        wait_until(lambda: answers(self.port), "the ledger")

    def stop_listening(self) -> None:
        """Refuse connections from now on."""
        if self._process is not None:
            self.thaw()
            stop(self._process)

    def freeze(self) -> None:
        """Accept connections and say nothing, until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def read(self) -> dict[tuple[str, str], list[Arrival]]:
        """Every arrival so far, by (token, recipient)."""
        with self._file.open("rb") as f:
            f.seek(self._read)
            chunk = f.read()
        self._read += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            at, token, recipient, sender = line.decode("utf-8", "replace").split("\t")
            self.arrivals[token, recipient].append(Arrival(float(at), token, recipient, sender))
        return self.arrivals

    def close(self) -> None:
        self.stop_listening()


class _Session(asyncio.Protocol):
    """As much of SMTP as a client needs: EHLO with PIPELINING, MAIL, RCPT, DATA, RSET, NOOP, QUIT."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._buffer = b""
        self._sender = b""
        self._recipients: list[bytes] = []
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 ledger.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        out = []
        while True:
            if self._in_data:
                if self._buffer.startswith(b".\r\n"):
                    content, self._buffer = b"", self._buffer[3:]
                elif b"\r\n.\r\n" in self._buffer:
                    content, _, self._buffer = self._buffer.partition(b"\r\n.\r\n")
                else:
                    break
                self._keep(content)
                self._in_data = False
                out.append(b"250 2.0.0 noted\r\n")
            elif b"\r\n" in self._buffer:
                line, _, self._buffer = self._buffer.partition(b"\r\n")
                out.append(self._command(line))
            else:
                break
        if out:
            self._transport.write(b"".join(out))
        if out and out[-1].startswith(b"221"):
            self._transport.close()

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-ledger.test\r\n250-8BITMIME\r\n250 PIPELINING\r\n"
        if verb == b"MAIL":
            self._sender, self._recipients = _address(line), []
        elif verb == b"RCPT":
            self._recipients.append(_address(line))
        elif verb == b"DATA":
            self._in_data = True
            return b"354 go on\r\n"
        elif verb == b"QUIT":
            return b"221 2.0.0 bye\r\n"
        return b"250 2.0.0 OK\r\n"

    def _keep(self, content: bytes) -> None:
        head = content.partition(b"\r\n\r\n")[0] + b"\r\n"
        if (source := _SOURCE.search(head)) and (number := _SOURCE_ID.search(head)):
            token = source[1] + b"/" + number[1]
        elif found := _TOKEN.search(head):
            token = found[1]
        else:
            token = b"unnamed"
        now = b"%.6f" % time.time()
        lines = [b"\t".join((now, token, recipient, self._sender)) + b"\n" for recipient in self._recipients]
        os.write(self._file, b"".join(lines))


def _address(line: bytes) -> bytes:
    return line.partition(b"<")[2].partition(b">")[0]


async def _serve(port: int, path: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    server = await asyncio.get_running_loop().create_server(lambda: _Session(file), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
