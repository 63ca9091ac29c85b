"""The nodes of an installation as one of them asks the others: where their doors are, and lines that are kept open."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

from mailward.app.checks.transport import Talk, lenient
from mailward.app.context import Context
from mailward.app.nodes import http_door, submission_door
from mailward.app.settings import is_loopback

_SECONDS = 10.0


@dataclass(slots=True)
class Place:
    """A node as it is asked: its doors, and what is held open there."""

    name: str
    web: str
    submission: str
    lines: list[Line] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)


class Line:
    """One connection to the web door of a node, kept open, so that it is one worker that is asked again."""

    def __init__(self, url: str, name: str, source: str) -> None:
        """`name` is what the certificate of a door beyond loopback has to vouch for. OSError when nobody answers."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
        local = (source, 0) if host.startswith("127.") else None
        self._http = http.client.HTTPConnection(host, port, timeout=_SECONDS, source_address=local)
        self._http.auto_open = 0
        self._http.connect()
        self.port: int = self._http.sock.getsockname()[1]
        if parts.scheme == "https":
            self._http.sock = trusting(host).wrap_socket(self._http.sock, server_hostname=name or host)

    def ask(self, path: str, headers: dict[str, str]) -> int:
        """The status of an answer; the connection stays. OSError when it ended."""
        try:
            self._http.request("GET", path, headers=headers)
            answer = self._http.getresponse()
            answer.read()
        except http.client.HTTPException as e:
            raise ConnectionError(type(e).__name__) from e
        return answer.status

    def close(self) -> None:
        """Hang up."""
        self._http.close()


def trusting(host: str) -> ssl.SSLContext:
    """On loopback any certificate will do; elsewhere a credential is shown only to whom the system's authorities know.

    (The credential is worth nothing a moment later, but it is a live one when it is shown.)
    """
    return lenient() if is_loopback(host) else ssl.create_default_context()


async def places(context: Context) -> tuple[list[Place], list[str]]:
    """The nodes that can be asked, and why others cannot."""
    nodes = context.store.nodes()
    if nodes is None:
        settings = context.settings
        storage = msgspec.structs.replace(settings.storage, address="127.0.0.1")
        settings = msgspec.structs.replace(settings, storage=storage)
        here = Place("this one", http_door(settings), submission_door(settings))
        return ([here], []) if here.web or here.submission else ([], ["this node has no door"])
    found, unasked = [], []
    alive = [n for n in await nodes.known() if n.state in ("up", "draining")]
    doors = [door for n in alive for door in (n.http, n.submission) if door]
    for n in alive:
        if not {"web", "submission"} & set(n.roles):
            continue  # nobody shows a credential there
        web, submission = (n.http if "web" in n.roles else ""), (n.submission if "submission" in n.roles else "")
        if not web and not submission:
            unasked.append(f"node {n.node} does not say where it is reached (storage.address)")
        elif any(doors.count(door) > 1 for door in (web, submission) if door):
            unasked.append(f"node {n.node} is reached where another is, as they say (storage.address)")
        else:
            found.append(Place(f"node {n.node}", web, submission))
    return found, unasked


def is_near(place: Place) -> bool:
    """Whether a node's doors are on this machine's loopback."""
    return is_loopback(urlsplit(place.web).hostname or "") if place.web else True


def shut(place: Place, name: str) -> str:
    """Why a door on another machine cannot be asked from here; "" when it can, and for doors of this machine."""
    if is_near(place):
        return ""
    try:
        Line(place.web, name, "").close()
    except OSError as e:
        return f"{place.name} cannot be asked from here ({type(e).__name__})"
    return ""
