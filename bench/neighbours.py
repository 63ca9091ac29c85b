"""Two tenants, one flooding: what the quiet one feels of it, alone and beside the flood in turn, in one run.

The loud tenant tries ten times what its limits allow, by API and by SMTP, and each message it
gets in makes events for webhooks that are never answered. It comes from a process of its own at
a fixed pace, so that what it costs to be loud is not measured as the server's. The quiet tenant
sends a message every 50 ms by API and by SMTP; what is told is its p99 beside the flood over
that alone.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import multiprocessing
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import load
from bench.plan import Plan, Results, say
from bench.servers import DOMAIN, ROLES
from tests.scenarios.holding_on import Browser
from tests.scenarios.peers import PeerFailed, SmtpSink
from tests.scenarios.platform import Platform

QUIET = "quiet.test"
_LIMIT = 600
_TIMES = 10
# So many that the pace is kept although each of them is refused half a second late.
_CONNECTIONS = 50
_HOOKS = 5
_PAUSE = 0.05


@dataclass(frozen=True)
class Tenant:
    """Where and as whom somebody sends."""

    api_port: int
    smtp_port: int
    key: str
    user: str
    password: str
    domain: str

    def by_api(self) -> bytes:
        """The whole request for one message."""
        sent = {"from": f"a@{self.domain}", "to": [load.RECIPIENT], "subject": "neighbours", "text": "x" * 2000}
        body = json.dumps(sent).encode()
        head = f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{self.api_port}\r\nAuthorization: Bearer {self.key}\r\n"
        return (head + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


class ApiLine:
    """One kept connection to the API."""

    def __init__(self, who: Tenant) -> None:
        self._who, self._request = who, who.by_api()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self) -> str:
        """The status of one message."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._who.api_port)
        reader, writer = self._streams
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        if b"connection: close" in head:
            writer.close()
            self._streams = None
        return head.split(b" ", 2)[1].decode()


class SmtpLine:
    """One session with STARTTLS and AUTH that stays."""

    def __init__(self, who: Tenant) -> None:
        self._who = who
        self._content = load.message(2000).replace(b"app@bench.test", f"a@{who.domain}".encode()) + b"."
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def _say(self, line: bytes) -> str:
        assert self._streams is not None
        reader, writer = self._streams
        if line:
            writer.write(line + b"\r\n")
        while True:
            answer = await reader.readline()
            if answer[3:4] != b"-":
                return answer[:3].decode() or "closed"

    async def _open(self) -> None:
        self._streams = await asyncio.open_connection("127.0.0.1", self._who.smtp_port)
        await self._say(b"")
        await self._say(b"EHLO client.bench.test")
        await self._say(b"STARTTLS")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        await self._streams[1].start_tls(tls)
        await self._say(b"EHLO client.bench.test")
        token = base64.b64encode(f"\0{self._who.user}\0{self._who.password}".encode())
        if await self._say(b"AUTH PLAIN " + token) != "235":
            raise PeerFailed("the credential was refused")

    async def send(self) -> str:
        """The code of one message."""
        if self._streams is None:
            await self._open()
        for line in (f"MAIL FROM:<a@{self._who.domain}>".encode(), f"RCPT TO:<{load.RECIPIENT}>".encode(), b"DATA"):
            code = await self._say(line)
            if code[0] not in "23":
                break
        else:
            code = await self._say(self._content)
        if code[0] not in "23" and (code in ("421", "closed") or await self._say(b"RSET") != "250"):
            self._streams = None
        return code


async def paced(
    line: ApiLine | SmtpLine, pause: float, until: float, took: list[float], said: Counter[str], *, after: float = 0.0
) -> None:
    """One message each `pause` seconds, `after` a while; after a late answer the next one is not made up for."""
    await asyncio.sleep(after)
    while (began := time.monotonic()) < until:
        try:
            code = await line.send()
        except (OSError, asyncio.IncompleteReadError):
            code = "closed"
            line._streams = None
        took.append(time.monotonic() - began)
        said[code] += 1
        await asyncio.sleep(max(0.0, began + pause - time.monotonic()))


def send(who: Tenant, seconds: float, *, lines: int, pause: float) -> dict[str, tuple[list[float], Counter[str]]]:
    """So many lines by API and by SMTP for a while: seconds each message took, and the answers."""
    found: dict[str, tuple[list[float], Counter[str]]] = {"api": ([], Counter()), "smtp": ([], Counter())}

    async def run() -> None:
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for n in range(lines):
                after = pause * n / lines  # a pace, and no beat
                group.create_task(paced(ApiLine(who), pause, until, *found["api"], after=after))
                group.create_task(paced(SmtpLine(who), pause, until, *found["smtp"], after=after))

    asyncio.run(run())
    return found


def _flood(who: Tenant, seconds: float, told: Any) -> None:
    pause = _CONNECTIONS / (_LIMIT * _TIMES / 60)
    told.put({how: said for how, (_, said) in send(who, seconds, lines=_CONNECTIONS, pause=pause).items()})


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    held: list[socket.socket] = []

    def take() -> None:
        with contextlib.suppress(OSError):
            while True:
                held.append(listener.accept()[0])

    threading.Thread(target=take, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in held:
            one.close()


def tenants(platform: Platform, hole: int) -> tuple[Tenant, Tenant]:
    """(loud, quiet): the first workspace with its webhooks, and one that its owner founded."""
    for _ in range(_HOOKS):
        status, said = platform.api("POST", "/v1/webhooks", {"url": f"https://127.0.0.1:{hole}/"})
        if status != 201:
            raise PeerFailed(f"making a webhook: {status} {said}")
    ports = platform.http_port, platform.starttls_port
    limits = ("--api", str(_LIMIT), "--messages", str(_LIMIT))
    platform.cli_json("workspace", "limits", *limits)
    loud = Tenant(*ports, platform.send_key, platform.smtp_user, platform.smtp_password, DOMAIN)
    with Browser.set_up(platform) as owner:
        owner.post("/workspaces", "/workspaces", {"name": "Quiet"})
    found = [w["id"] for w in platform.cli_json("workspace", "list") if w["name"] == "Quiet"]
    of = ("--workspace", found[0])
    admin = platform.cli_json("key", "create", "admin", "--scope", "admin", *of)["secret"]
    platform.verify_domain(QUIET, admin)
    key = platform.cli_json("key", "create", "send", "--scope", "send", *of)["secret"]
    smtp = platform.cli_json("smtp", "create", "send", *of)
    return loud, Tenant(*ports, key, smtp["username"], smtp["password"], QUIET)


def neighbours(plan: Plan, results: Results) -> None:
    """Rounds of alone and beside, in turn; the order turns round each time."""
    # A day's ordinary work of the quiet one must not look like a stolen credential's burst.
    settings = {"server.roles": list(ROLES), "limits.burst_factor": 0, "webhooks.allow_networks": ["127.0.0.0/8"]}
    with SmtpSink() as sink, black_hole() as hole:
        route = f"127.0.0.1:{sink.port}"
        with Platform(domain=DOMAIN, route=route, sign=True, workers=2, settings=settings) as platform:
            loud, quiet = tenants(platform, hole)
            send(quiet, 2.0, lines=1, pause=_PAUSE)
            _spend_the_burst(loud)
            for number in range(plan.rounds):
                for part in ("alone", "beside") if number % 2 == 0 else ("beside", "alone"):
                    say(f"neighbours: round {number + 1}/{plan.rounds}: {part}")
                    _part(part, loud, quiet, plan.neighbours, results)


def _spend_the_burst(loud: Tenant) -> None:
    """A minute's quota may come all at once; what is measured is what comes after that."""
    send(loud, 60 / _TIMES + 2, lines=_CONNECTIONS, pause=_CONNECTIONS / (_LIMIT * _TIMES / 60))


def _part(part: str, loud: Tenant, quiet: Tenant, seconds: float, results: Results) -> None:
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    flood = context.Process(target=_flood, args=(loud, seconds + 6, told), daemon=True)
    if part == "beside":
        flood.start()
        time.sleep(5)  # until its process runs and all its sessions stand
    for how, (took, said) in send(quiet, seconds, lines=1, pause=_PAUSE).items():
        results.add(part, f"neighbours_{how}", "latency", *took)
        if set(said) - {"202", "250"}:
            results.problems.append(f"neighbours: {part}: the quiet tenant was answered {dict(said)} by {how}")
    if part == "beside":
        answers = told.get(timeout=seconds + 30)
        flood.join(10)
        results.notes.append(f"the loud tenant was answered { ({how: dict(said) for how, said in answers.items()}) }")
        if not answers["api"]["429"] or not answers["smtp"]["451"]:
            results.problems.append("neighbours: the loud tenant met no limit, so it was no flood")
