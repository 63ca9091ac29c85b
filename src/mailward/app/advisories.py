"""Asking an OSV service (google.github.io/osv.dev/api) which pinned versions have known vulnerabilities."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from urllib.parse import quote

import aiohttp
import msgspec

_BATCH = 500
_ASKED_SINGLY = 100
_LARGEST = 8_000_000


class Unanswered(Exception):
    """No service was reached, or what answered was none. Nothing known is not the same as nothing found."""


class _Vulnerability(msgspec.Struct):
    id: str


class _Result(msgspec.Struct):
    vulns: list[_Vulnerability] = []


class _Answer(msgspec.Struct):
    results: list[_Result]


async def ask(service: str, pinned: Sequence[str], *, seconds: float = 20.0) -> dict[str, list[str]]:
    """Advisory ids by `name@version`, of those that have any. Raises Unanswered."""
    known: dict[str, list[str]] = {}
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        # The machine's own proxy settings are followed: this runs in CI and by hand, never on the path of mail.
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            for start in range(0, len(pinned), _BATCH):
                part = pinned[start : start + _BATCH]
                for what, result in zip(part, await _batch(session, service, part), strict=True):
                    if result.vulns:
                        known[what] = sorted(v.id for v in result.vulns)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
        raise Unanswered(type(e).__name__) from e
    return known


class _Specific(msgspec.Struct):
    severity: str = ""


class _Advisory(msgspec.Struct):
    id: str
    database_specific: _Specific = msgspec.field(default_factory=_Specific)


async def severities(service: str, ids: Collection[str], *, seconds: float = 20.0) -> dict[str, str]:
    """How bad each of these advisories is, in lower case, as the service's source says ("critical", "moderate").

    One of which nothing is said, or about which nobody answers, is absent: it counts as critical.
    """
    said: dict[str, str] = {}
    timeout = aiohttp.ClientTimeout(total=seconds)
    # What was found stands, however little is learned of it here.
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, Unanswered):
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            for id in sorted(ids)[:_ASKED_SINGLY]:
                url = f"{service.rstrip('/')}/v1/vulns/{quote(id, safe='')}"
                async with session.get(url) as answer:
                    body = await _body(answer)
                with contextlib.suppress(ValueError):
                    if severity := msgspec.json.decode(body, type=_Advisory).database_specific.severity.lower():
                        said[id] = severity
    return said


async def _batch(session: aiohttp.ClientSession, service: str, part: Sequence[str]) -> list[_Result]:
    queries = [{"package": {"purl": f"pkg:pypi/{what}"}} for what in part]
    async with session.post(f"{service.rstrip('/')}/v1/querybatch", json={"queries": queries}) as answer:
        if answer.status != 200:
            raise Unanswered(f"it answered {answer.status}")
        body = await _body(answer)
    # msgspec's errors are ValueErrors: half a document is no answer.
    found = msgspec.json.decode(body, type=_Answer).results
    if len(found) != len(part):
        raise Unanswered("it answered about something else")
    return found


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_chunked(65536):
        body += piece
        if len(body) > _LARGEST:
            raise Unanswered("its answer does not end")
    return bytes(body)
