"""A customer's application that keeps a ledger: an HTTP server of its own process, sharing no code with the product.

Before it answers 200 it has appended a line to a file: the time, the webhook's id, what
names the message, which message the platform says it is, and the path. What is posted to
/slow is noted at once and answered after twenty seconds. `python -m
tests.scenarios.endpoint_ledger PORT FILE` runs it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from typing import Any, NamedTuple

from tests.scenarios.peers import REPOSITORY, Peer, answers, free_port, stop, wait_until

SLOW_SECONDS = 20.0
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.M | re.I)
_EVENT = re.compile(rb"^webhook-id: *(\S+)", re.M | re.I)
# smtp-source numbers its messages in the last part of their Message-ID.
_SOURCE_ID = re.compile(r"<?[0-9a-f]+\.[0-9a-f]+\.([0-9a-f]+)@")


class Post(NamedTuple):
    """One request, just before it was answered. `at` is seconds of the machine's clock.

    `event` is its webhook-id, `message` the platform's name for the message, `since` when that had been received.
    """

    at: float
    event: str
    message: str
    path: str
    since: str
    token: str


class EndpointLedger(Peer):
    """The application as a process. `read()` gives every request so far by what names the message."""

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._file = self.folder / "ledger"
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self._rest = b""
        self.posts: dict[str, list[Post]] = defaultdict(list)

    def start(self) -> None:
        """Serve from now on."""
        self._file.touch()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.scenarios.endpoint_ledger", str(self.port), str(self._file)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
        )
        wait_until(lambda: answers(self.port), "the endpoint")

    def read(self) -> dict[str, list[Post]]:
        """Every request so far, by token, in order of arrival."""
        with self._file.open("rb") as f:
            f.seek(self._read)
            chunk = f.read()
        self._read += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            at, *texts = line.decode("utf-8", "replace").split("\t")
            post = Post(float(at), *texts)
            self.posts[post.token].append(post)
        return self.posts

    def close(self) -> None:
        if self._process is not None:
            stop(self._process)


def token_of(data: dict[str, Any]) -> str:
    """What the sender named the message: X-Ledger, or smtp-source's subject and number, or else its Message-ID."""
    named = [h["value"].strip() for h in data["headers"] if h["name"].lower() == "x-ledger"]
    if named:
        return str(named[0])
    subject, id = str(data["subject"]), str(data["message_id"])
    if subject.startswith("src-") and (number := _SOURCE_ID.match(id)):
        return f"{subject}/{number[1]}"
    return id


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, file: int) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length, event = _LENGTH.search(head), _EVENT.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            path = head.split(b" ", 2)[1].decode("ascii")
            data = json.loads(body)["data"]
            fields = (
                f"{time.time():.6f}", event[1].decode("ascii") if event else "", data["message"], path,
                data["received_at"], token_of(data),
            )  # fmt: skip
            os.write(file, ("\t".join(re.sub(r"[\t\n]", " ", f) for f in fields) + "\n").encode())
            if path.startswith("/slow"):
                await asyncio.sleep(SLOW_SECONDS)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def _serve(port: int, path: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    server = await asyncio.start_server(lambda r, w: _answer(r, w, file), "127.0.0.1", port, backlog=1024, limit=2**24)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
