"""One client of a platform that writes down what it was answered, with ids, times and secrets replaced by placeholders.

Placeholders are numbered in the order in which values appear, so that two recordings are alike only when the same
things refer to each other in both.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote, urlencode

from mailward.base import ids
from mailward.edges.web.openapi import ID_PREFIXES
from tests.scenarios.peers import Dns
from tests.scenarios.platform import Platform

_SECONDS = 15.0
_KINDS: Sequence[tuple[str, re.Pattern[str]]] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("secret", r"\b(?:mw_[a-z]+_|mwk_|whsec_)[A-Za-z0-9+/=_-]{16,}"),
        ("id", r"\b(?:[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}|req_[0-9a-f]{20})\b"),
        ("time", r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"),
        ("date", r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), +\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"),
        ("day", r"\b\d{4}-\d\d-\d\d\b"),
        ("address", r"\b127\.0\.0\.1:\d+\b|\[?127\.0\.0\.1\]?"),
        ("log", r"\bmailward\.audit/[0-9a-f]{16}\b"),
        ("port", r"\bport \d+|, on an open connection|(?<=localhost:)\d+"),
        ("moment", r"\b(?:t?1[78]\d{14}|1[78]\d{8}|20\d{12})\b"),
        ("long", r"[A-Za-z0-9+/=_-]{32,}"),
    )
)
# Numbers that say how long something took or when it was.
_TIMINGS = frozenset(
    ("elapsed_ms", "processing_ms", "duration_ms", "at_ms", "ms", "retry_after", "seconds", "milliseconds")
)


# Random, and of characters that other patterns may take for something else.
_SECRETS = frozenset(("password", "secret", "prefix", "public_key", "next_cursor", "salt"))


class Taker(BaseHTTPRequestHandler):
    """An endpoint that takes whatever it is told."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


class Recorder:
    """Talks to a platform and keeps the record. `dns` is its resolver, `endpoint` a URL that takes what it is told."""

    def __init__(self, platform: Platform, dns: Dns, endpoint: str) -> None:
        self.platform = platform
        self.dns = dns
        self.endpoint = endpoint
        self._connection = http.client.HTTPConnection("127.0.0.1", platform.http_port, timeout=_SECONDS)
        self._seen: dict[str, dict[str, str]] = {}
        self.record: list[tuple[str, Any]] = []
        self.succeeded: set[str] = set()
        self.said: set[bytes] = set()
        _, document, _ = self._http("GET", "/openapi.json", None, {})
        self.operations: dict[str, tuple[str, str, dict[str, Any]]] = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in json.loads(document)["paths"].items()
            for method, operation in methods.items()
        }

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    # -- HTTP ---------------------------------------------------------------------------------

    def call(
        self,
        operation: str,
        body: Any = None,
        *,
        query: Mapping[str, object] | None = None,
        key: str | None = None,
        media: str = "application/json",
        headers: Mapping[str, str] | None = None,
        note: str = "",
        quiet: bool = False,
        path_of: Mapping[str, str] | None = None,
        **params: str,
    ) -> Any:
        """One call of an operation by its name; the decoded answer. `quiet` keeps it out of the record.

        Parameters of the path are given by name, or in `path_of` where a name means something else here.
        """
        method, path, _ = self.operations[operation]
        for name, value in {**params, **(path_of or {})}.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        if query:
            path += "?" + urlencode(query)
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = dict(headers or {})
        if key != "":
            sent["Authorization"] = f"Bearer {key or self.platform.admin_key}"
        if content is not None:
            sent["Content-Type"] = media
        status, octets, kind = self._http(method, path, content, sent)
        answer: Any = octets.decode("utf-8", "replace")
        if octets.startswith((b"{", b"[")):
            answer = json.loads(octets)
        if 200 <= status < 300:
            self.succeeded.add(operation)
        if not quiet:
            self.record.append((f"{operation} {note}".strip(), (status, kind, self._plain(answer))))
        return answer

    def until(self, what: Callable[[], object]) -> None:
        """Ask, without recording it, until the answer is true."""
        deadline = time.monotonic() + _SECONDS
        while not what():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited too long after {self.record[-1]}")
            time.sleep(0.05)

    def _http(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> tuple[int, bytes, str]:
        for last in (False, True):
            try:
                self._connection.request(method, path, content, headers)
                answer = self._connection.getresponse()
                octets = answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # The server may close a connection after a refusal; only a fresh one tells.
                self._connection.close()
                if last:
                    raise
                continue
            return answer.status, octets, answer.headers.get_content_type()
        raise AssertionError

    # -- SMTP ---------------------------------------------------------------------------------

    def smtp(self, name: str, *lines: str | bytes, door: str = "starttls", tls: bool = True) -> None:
        """One session: each line is sent and its reply recorded. `tls` opens with EHLO and STARTTLS where needed.

        A line of bytes is sent as it is; "" sends nothing and reads one more reply.
        """
        port = getattr(self.platform, f"{door}_port")
        replies: list[str] = []
        with ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=_SECONDS))
            session: socket.socket = plain

            def secured() -> socket.socket:
                return stack.enter_context(_context().wrap_socket(plain, server_hostname="mailward.test"))

            if door == "implicit":
                session = secured()
            replies.append(self._reply(session))
            if tls and door == "starttls":
                for opening in ("EHLO client.test", "STARTTLS"):
                    session.sendall(opening.encode() + b"\r\n")
                    replies.append(self._reply(session))
                session = secured()
            for line in lines:
                try:
                    if line != "":
                        session.sendall(line if isinstance(line, bytes) else line.encode() + b"\r\n")
                    reply = self._reply(session)
                except (ConnectionError, ssl.SSLError):
                    reply = "closed"
                replies.append(reply)
                if line == "STARTTLS" and reply.startswith("220"):
                    session = secured()
        self.record.append((f"SMTP {name}", [self._text(r) for r in replies]))

    def login(self) -> str:
        """AUTH PLAIN with the platform's credential."""
        token = f"\0{self.platform.smtp_user}\0{self.platform.smtp_password}"
        return "AUTH PLAIN " + base64.b64encode(token.encode()).decode()

    def _reply(self, session: socket.socket) -> str:
        octets = b""
        while True:
            piece = session.recv(1)
            if not piece:
                return "closed"
            octets += piece
            if octets.endswith(b"\r\n"):
                last = octets[:-2].rpartition(b"\r\n")[2]
                if last[3:4] != b"-":
                    self.said.add(octets)
                    return octets.decode("utf-8", "replace")

    # -- placeholders -------------------------------------------------------------------------

    def _plain(self, value: Any, key: str = "") -> Any:
        if key in ("checkpoints", "anchor"):
            # How often the log's head was signed on the way is a matter of seconds.
            return f"<{key}>"
        if key in ("last_used", "last_used_at"):
            # Uses are written down every few seconds.
            return f"<{key}>"
        match value:
            case dict():
                return {
                    name: self._plain(_mail_only(v) if name == "dialogue" else v, name) for name, v in value.items()
                }
            case list():
                return [self._plain(v, key) for v in value]
            case str() if key in _SECRETS and value:
                return self._placeholder("secret", value)
            case str():
                return self._text(value)
            case int() | float() if key in _TIMINGS and not isinstance(value, bool):
                return "<duration>"
        return value

    def _text(self, text: str) -> str:
        for kind, pattern in _KINDS:
            text = pattern.sub(lambda found, kind=kind: self._placeholder(kind, found[0]), text)  # type: ignore[misc]
        return text

    def _placeholder(self, kind: str, value: str) -> str:
        if kind in ("time", "date", "day", "moment"):
            return f"<{kind}>"
        if kind == "port":
            # Whether a connection was still open is a matter of milliseconds.
            return ""
        known = self._seen.setdefault(kind, {})
        return known.setdefault(value, f"<{kind} {len(known) + 1}>")


def _mail_only(dialogue: Any) -> Any:
    """What was said from MAIL on: what comes before depends on whether a connection was still open."""
    lines = list(dialogue) if isinstance(dialogue, list) else []
    first = next((n for n, line in enumerate(lines) if str(line.get("line", "")).startswith("MAIL")), 0)
    return lines[first:]


def nobody(parameter: str) -> str:
    """An id of the right form that nothing has."""
    return ids.encode(ID_PREFIXES[parameter], bytes(15) + b"\1") if parameter in ID_PREFIXES else "nothing"


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
