"""Trying a bucket: everything that the platform will ask of it, on a key of its own, and what to do when it says no."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from mailward.adapters.storage.objects.bucket import Absent, Bucket, Denied, Taken, Trouble
from mailward.base.sources import Entropy

PROBES = "probe/"
_SECONDS = 10.0
_CONTENT = 4096


class Step(NamedTuple):
    """One thing tried: its name, whether it worked, what was found and what to do about it."""

    what: str
    good: bool
    found: str
    advice: str = ""


async def probe(bucket: Bucket, entropy: Entropy) -> list[Step]:
    """Put, get, range, put-if-absent, list, delete. Ends at the first that makes the rest pointless."""
    name = PROBES + entropy.bytes(16).hex()
    content = entropy.bytes(_CONTENT)
    steps: list[Step] = []
    try:
        steps.append(await _put(bucket, name, content))
        if not steps[0].good:
            return steps
        steps.append(await _try("get", _ADVICE_READ, lambda: _get(bucket, name, content)))
        steps.append(await _try("range", _ADVICE_RANGE, lambda: _range(bucket, name, content)))
        steps.append(await _try("put if absent", _ADVICE_ABSENT, lambda: _again(bucket, name, entropy)))
        steps.append(await _try("list", _ADVICE_LIST, lambda: _list(bucket, name)))
    finally:
        removed = await _try("delete", _ADVICE_DELETE, lambda: _remove(bucket, name))
    return [*steps, removed]


async def versions(bucket: Bucket, entropy: Entropy) -> bool:
    """Whether a bucket of S3 keeps what is replaced or removed: it then gives each object a version. Raises Trouble."""
    name = PROBES + entropy.bytes(16).hex()
    try:
        await bucket.create(name, b"mailward", seconds=_SECONDS)
        _, (_, version) = await bucket.whole(name, seconds=_SECONDS)
    finally:
        await bucket.remove([name], seconds=_SECONDS)
    return version not in (None, "null")  # "null": versioning was on once and is suspended


async def _put(bucket: Bucket, name: str, content: bytes) -> Step:
    try:
        await bucket.create(name, content, seconds=_SECONDS)
    except Denied as e:
        return Step("put", False, str(e), _ADVICE_PUT)
    except Trouble as e:
        return Step("put", False, f"{type(e).__name__}: {e}", _ADVICE_REACH)
    return Step("put", True, f"{len(content)} octets stored")


async def _try(what: str, advice: str, call: Callable[[], Awaitable[str]]) -> Step:
    try:
        return Step(what, True, await call())
    except Trouble as e:
        return Step(what, False, f"{type(e).__name__}: {e}", advice)
    except _Wrong as e:
        return Step(what, False, str(e), advice)


class _Wrong(Exception):
    """The store answered, but not what it was asked."""


async def _get(bucket: Bucket, name: str, content: bytes) -> str:
    if not await bucket.holds(name, content, seconds=_SECONDS):
        raise _Wrong("the object is not what was stored")
    return "the same octets came back"


async def _range(bucket: Bucket, name: str, content: bytes) -> str:
    if await bucket.read(name, 100, 1100, seconds=_SECONDS) != content[100:1100]:
        raise _Wrong("a range came back that was not asked for")
    return "octets 100 to 1100 came back"


async def _again(bucket: Bucket, name: str, entropy: Entropy) -> str:
    try:
        await bucket.create(name, entropy.bytes(64), seconds=_SECONDS)
    except Taken:
        return "a taken name is refused"
    raise _Wrong("a second object replaced the first")


async def _list(bucket: Bucket, name: str) -> str:
    async for entries in bucket.list(PROBES):
        if any(entry.name == name for entry in entries):
            return "the object is listed"
    raise _Wrong("the object is not in the listing")


async def _remove(bucket: Bucket, name: str) -> str:
    await bucket.remove([name], seconds=_SECONDS)
    try:
        await bucket.size(name, seconds=_SECONDS)
    except Absent:
        return "the object is gone"
    raise _Wrong("the object is still there")


_ADVICE_PUT = (
    "Check objects.url, access_key and secret_key; the key needs PutObject, GetObject, ListBucket, DeleteObject."
)
_ADVICE_REACH = (
    "Check objects.endpoint and objects.region, the name's address, the firewall, and the certificate's name."
)
_ADVICE_READ = "Allow GetObject on this prefix; a proxy in between must not change content."
_ADVICE_RANGE = "The store or a proxy in between ignores the Range header: bodies could not be read. Use another."
_ADVICE_ABSENT = "This store does not honour If-None-Match: set objects.put_if_absent = false."
_ADVICE_LIST = "Allow ListBucket on this prefix: without it orphans and expired content stay in the bucket."
_ADVICE_DELETE = "Allow DeleteObject on this prefix: without it expired content stays, unreadable, in the bucket."
