"""NET-1, INPUT-1 and LOG-2: what listens, and what the pages and the metrics say."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import urllib.error
import urllib.request
from pathlib import Path

from mailward.app.checks.probe import NotThere, ask, fresh_source, sign_in, submission
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.settings import is_loopback, split_address
from mailward.core.evidence.model import Finding, failed, not_configured, passed

_LISTEN = "0A"


def processes_of(data: Path) -> set[int]:
    """The supervisors that share the data folder, and all that descend from them."""
    try:
        roots = [int(pid) for pid in (data / "mailward.lock").read_text().split()]
    except (OSError, ValueError):
        return set()
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    todo = [root for root in roots if Path(f"/proc/{root}").exists()]
    while todo:
        pid = todo.pop()
        found.add(pid)
        todo += children.get(pid, [])
    return found


def listening(pids: set[int]) -> set[tuple[str, int]]:
    """(address, port) of every TCP socket in LISTEN that one of the processes holds."""
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    out = set()
    for fields in _table():
        if fields[3] == _LISTEN and fields[9] in inodes:
            host, _, port = fields[1].partition(":")
            out.add((_address(host), int(port, 16)))
    return out


def holders(data: Path, ports: set[int]) -> set[int]:
    """Which of our processes hold the far ends of connections that were made from these ports of this machine."""
    ends = {fields[9] for fields in _table() if int(fields[2].rpartition(":")[2], 16) in ports}
    return {pid for pid in processes_of(data) if ends & _sockets(pid)}


def _sockets(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    found = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if match := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())):
                    found.add(match[1])
    return found


def _table() -> list[list[str]]:
    """The fields of every TCP socket of this machine."""
    rows = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            rows += [line.split() for line in Path(table).read_text().splitlines()[1:]]
    return rows


def _address(text: str) -> str:
    """/proc/net writes addresses as 32-bit words in host order."""
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


@check("NET-1")
async def only_documented_ports(context: Context) -> Finding:
    """Every listening socket of our processes is one that the settings name; metrics are on loopback."""
    settings = context.settings
    pids = processes_of(settings.data)
    if not pids:
        return failed("the platform does not run on this data folder")
    submission, mx = settings.submission, settings.mx
    web = [*settings.http.listen, *settings.http.plain]
    named = [*web, *submission.starttls, *submission.implicit, *submission.private, *mx.listen]
    allowed = {(str(ipaddress.ip_address(host)), port) for host, port in map(split_address, named)}
    if settings.http.metrics:
        host, port = split_address(settings.http.metrics)
        allowed |= {(str(ipaddress.ip_address(host)), port + n) for n in range(settings.workers)}
    found = listening(pids)
    if not found:
        return not_configured("this system does not show who listens (/proc/net/tcp)")
    strangers = found - allowed
    # In capture mode each worker's embedded sink listens on a port of the system's choice, on loopback.
    sinks = {(h, p) for h, p in strangers if is_loopback(h)} if settings.capture else set()
    if len(sinks) > settings.workers:
        sinks = set()
    if unnamed := strangers - sinks:
        return failed("also listening: " + ", ".join(f"{h}:{p}" for h, p in sorted(unnamed)))
    public = sorted(port for host, port in found if not is_loopback(host))
    shown = ", ".join(map(str, public)) or "none"
    also = f" or the sink of a worker ({len(sinks)}, loopback)" if sinks else ""
    return passed(f"{len(found)} listening sockets, each named in the settings{also}; beyond loopback: {shown}")


def fetch(url: str) -> tuple[int, dict[str, str], str]:
    """Status, headers (lower case) and text of a page of our own."""
    request = urllib.request.Request(url)  # noqa: S310  # http, built from our own settings
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # as above
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, {k.lower(): v for k, v in e.headers.items()}, e.read().decode("utf-8", "replace")


@check("INPUT-1")
async def strict_pages(context: Context) -> Finding:
    """The sign-in page forbids inline script by policy and has none; an unknown path answers a problem document."""
    listen = [a for a in context.settings.http.listen if is_loopback(split_address(a)[0])]
    if not listen:
        return not_configured("no HTTP listener on loopback to ask")
    base = f"http://{listen[0]}"
    try:
        status, headers, page = await asyncio.to_thread(fetch, base + "/sign-in")
        _, problem, _ = await asyncio.to_thread(fetch, base + "/v1/no-such-thing")
        _, _, document = await asyncio.to_thread(fetch, base + "/openapi.json")
    except OSError:
        return failed(f"{listen[0]} does not answer; is the platform running?")
    policy = headers.get("content-security-policy", "")
    directives = {p.split()[0]: p.split()[1:] for p in policy.split(";") if p.split()}
    script = directives.get("script-src", directives.get("default-src", ["*"]))
    if status != 200 or not policy or {"'unsafe-inline'", "'unsafe-eval'", "*"} & set(script):
        return failed(f"the sign-in page (status {status}) has no strict content security policy")
    if re.search(r"<script(?![^>]*\bsrc=)[^>]*>|\son[a-z]+\s*=", page, re.IGNORECASE):
        return failed("the sign-in page has inline script")
    if "application/problem+json" not in problem.get("content-type", ""):
        return failed("an unknown path does not answer problem+json")
    if '"openapi"' not in document:
        return failed("the OpenAPI document is not served")
    return passed("strict content security policy, no inline script, problem+json, OpenAPI document served")


@check("LOG-2")
async def metrics_tell_nothing(context: Context) -> Finding:
    """A marker is said at every place of both doors where a stranger may speak; no worker's metrics hold it."""
    if not context.settings.http.metrics:
        return not_configured("metrics are off")
    marker = "mwmarker" + context.entropy.bytes(12).hex()
    try:
        said = await _say(context, marker)
    except NotThere as e:
        return failed(str(e))
    host, port = split_address(context.settings.http.metrics)
    size = 0
    for number in range(context.settings.workers):
        try:
            _, _, text = await asyncio.to_thread(fetch, f"http://{host}:{port + number}/metrics")
        except OSError:
            return failed(f"metrics on port {port + number} do not answer; is the platform running?")
        size += len(text)
        if re.search(r"[^\s\"]@[^\s\"]", text):
            return failed(f"something like an address is in the metrics on port {port + number}")
        if marker.lower() in text.lower():
            return failed(f"what a client said is in the metrics on port {port + number}")
    return passed(
        f"a marker said in {said} places over HTTP and SMTP is not in {size} bytes of metrics from "
        f"{context.settings.workers} workers, nor is any address"
    )


async def _say(context: Context, marker: str) -> int:
    """The marker in each field that a client without credentials fills; how many."""
    source = fresh_source(context)
    for method, path, key, body in (
        ("GET", f"/{marker}", "", None),
        ("GET", f"/v1/messages/{marker}?cursor={marker}", marker, None),
        (marker.upper(), "/v1/messages", "", None),
        ("POST", "/v1/messages", f"mwk_{marker}", {"from": f"{marker}@{marker}.invalid", "subject": marker}),
    ):
        headers = {"User-Agent": marker, "X-Forwarded-For": marker, "Idempotency-Key": marker}
        await ask(context, method, path, key=key, body=body, source=source, headers=headers)
    words = (f"EHLO {marker}", f"VRFY {marker}", f"MAIL FROM:<{marker}@{marker}.invalid>", marker)
    async with submission(context, source) as talk:
        for word in words:
            await talk.say(word)
        await sign_in(talk, marker, marker)
    return 11 + len(words)
