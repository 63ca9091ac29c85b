"""The bucket: what an object store can do, and the four ways in which it can say no.

Every call is one attempt with a time limit. Nothing is tried again here: only the caller knows
whether it may, and how long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from mailward.adapters.storage.objects.place import Place, PlaceError

if TYPE_CHECKING:
    from obstore import UpdateVersion

# A single PUT above this is cut into parts, so that a lost connection costs one part.
PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 4
_COMPARE_CHUNK = 1 << 20


# What S3, Google's and Azure's stores answer with 404 when it is not the object that is missing.
_NO_BUCKET = ("NoSuchBucket", "The specified bucket does not exist", "ContainerNotFound")


class Trouble(Exception):
    """The store did not do what was asked. The text is for our log: it names no content and no key."""


class Unclear(Trouble):
    """No answer, or one that says nothing: it may or may not have happened. Asking again is right."""


class Taken(Trouble):
    """There is an object of that name."""


class Absent(Trouble):
    """There is no object of that name."""


class Denied(Trouble):
    """Our credentials, or the bucket, are not what the store expects. Asking again will not help."""


class Entry(NamedTuple):
    """An object in a listing: name below the prefix, size in octets, when the store last wrote it."""

    name: str
    size: int
    modified: datetime


Version = tuple[str | None, str | None]
"""What tells one state of an object from the next: e-tag and version, as the store gives them."""


class Bucket:
    """One bucket, below one prefix."""

    def __init__(self, store: S3Store | GCSStore | AzureStore, *, put_if_absent: bool) -> None:
        self._store = store
        self._put_if_absent = put_if_absent

    async def create(self, name: str, data: bytes, *, seconds: float) -> None:
        """Store `data` under a name that must be free; when this returns, the store has all of it.

        Where the store cannot put-if-absent, and for an upload in parts, the name is looked up
        first: sound because no two living writers share a name. Raises Taken, Denied, Unclear.
        """
        parts = len(data) > PART_BYTES
        try:
            async with asyncio.timeout(seconds):
                if self._put_if_absent and not parts:
                    await obstore.put_async(self._store, name, data, mode="create", use_multipart=False)
                    return
                if await self._exists(name):
                    raise Taken(f"{name} exists")
                await obstore.put_async(
                    self._store,
                    name,
                    data,
                    use_multipart=parts,
                    chunk_size=PART_BYTES,
                    max_concurrency=_PARTS_AT_ONCE,
                )
        except FileNotFoundError as e:
            if parts:
                # Also said of an upload in parts that was completed before, its answer lost.
                raise Unclear(_short(e)) from e
            # A PUT finds nothing only when the bucket itself is not there.
            raise Denied(f"no such bucket: {_short(e)}") from e
        except (BaseError, OSError, TimeoutError) as e:
            raise _meaning(e) from e

    async def _exists(self, name: str) -> bool:
        try:
            await obstore.head_async(self._store, name)
        except FileNotFoundError:
            return False
        return True

    async def holds(self, name: str, data: bytes, *, seconds: float) -> bool:
        """Whether the object of that name is exactly `data`, length and every octet. Absent when there is none."""
        try:
            async with asyncio.timeout(seconds):
                answer = await obstore.get_async(self._store, name)
                if answer.meta["size"] != len(data):
                    return False
                at = 0
                async for chunk in answer.stream(min_chunk_size=_COMPARE_CHUNK):
                    piece = bytes(chunk)
                    if data[at : at + len(piece)] != piece:
                        return False
                    at += len(piece)
                return at == len(data)
        except (BaseError, OSError, TimeoutError) as e:
            raise _meaning(e) from e

    async def whole(self, name: str, *, seconds: float) -> tuple[bytes, Version]:
        """All of an object, and which version of it that was. Raises Absent, Denied, Unclear."""
        try:
            async with asyncio.timeout(seconds):
                answer = await obstore.get_async(self._store, name)
                return bytes(await answer.bytes_async()), (answer.meta["e_tag"], answer.meta["version"])
        except (BaseError, OSError, TimeoutError) as e:
            raise _meaning(e) from e

    async def replace(self, name: str, data: bytes, version: Version, *, seconds: float) -> None:
        """Store other octets under a name, if it is still that version. Raises Taken when not, Denied, Unclear.

        Where the store knows no conditions, whatever is there is replaced.
        """
        e_tag, number = version
        state: UpdateVersion = {}
        if self._put_if_absent and e_tag is not None:
            state["e_tag"] = e_tag
        if self._put_if_absent and number is not None:
            state["version"] = number
        try:
            async with asyncio.timeout(seconds):
                await obstore.put_async(self._store, name, data, mode=state or "overwrite", use_multipart=False)
        except (BaseError, OSError, TimeoutError) as e:
            raise _meaning(e) from e

    async def read(self, name: str, start: int, end: int, *, seconds: float) -> bytes:
        """Octets `start` to `end` (exclusive); fewer when the object is shorter. Raises Absent, Denied, Unclear."""
        try:
            async with asyncio.timeout(seconds):
                return bytes(await obstore.get_range_async(self._store, name, start=start, end=end))
        except (BaseError, OSError, TimeoutError) as e:
            raise _meaning(e) from e

    async def size(self, name: str, *, seconds: float) -> int:
        """Octets of an object. Raises Absent, Denied, Unclear."""
        try:
            async with asyncio.timeout(seconds):
                return (await obstore.head_async(self._store, name))["size"]
        except (BaseError, OSError, TimeoutError) as e:
            raise _meaning(e) from e

    async def list(self, prefix: str, *, after: str | None = None, chunk: int = 1000) -> AsyncIterator[list[Entry]]:
        """Objects whose names begin with `prefix` (whole folders), in order of name, `chunk` at a time."""
        try:
            # One list request answers a thousand: its time limit is the client's own.
            async for found in obstore.list(self._store, prefix=prefix, offset=after, chunk_size=chunk):
                yield [Entry(o["path"], o["size"], o["last_modified"]) for o in found]
        except (BaseError, OSError) as e:
            raise _meaning(e) from e

    async def remove(self, names: Sequence[str], *, seconds: float) -> None:
        """Remove objects; one that is not there is no error. Raises Denied, Unclear."""
        try:
            async with asyncio.timeout(seconds):
                await obstore.delete_async(self._store, list(names))
        except FileNotFoundError:
            return
        except (BaseError, OSError, TimeoutError) as e:
            raise _meaning(e) from e


def open_bucket(place: Place) -> Bucket:
    """The bucket of a checked place. Connects to nothing yet. PlaceError when a file it names cannot be read."""
    return Bucket(open_client(place), put_if_absent=place.put_if_absent)


def open_client(place: Place) -> S3Store | GCSStore | AzureStore:
    """The client of a checked place. Connects to nothing yet.

    The client runs threads of its own: call this after a process has forked, not before.
    PlaceError when a file it names cannot be read.
    """
    client: dict[str, object] = {
        # Said in so many words, so that no environment variable can loosen them.
        "allow_http": place.unencrypted,
        "allow_invalid_certificates": False,
        "connect_timeout": timedelta(seconds=3),
        "timeout": timedelta(seconds=120),
        "user_agent": "mailward",
    }
    if place.ca_file:
        try:
            client["root_certificate"] = Path(place.ca_file).read_bytes()
        except OSError as e:
            raise PlaceError(f"{place.section}.ca: {e.strerror}: {place.ca_file}") from e
    config: dict[str, object] = _config(place)
    kind = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[place.kind]
    try:
        # Retries are ours: only we know the deadline and what a second attempt may find.
        store: S3Store | GCSStore | AzureStore = kind(
            place.bucket,
            prefix=place.prefix or None,
            config=config,
            client_options=client,
            retry_config={"max_retries": 0},
        )
    except (BaseError, ValueError, OSError) as e:
        raise PlaceError(f"{place.section}: {_short(e)}") from e
    return store


def _config(place: Place) -> dict[str, object]:
    match place.kind:
        case "gs":
            named = {"service_account": place.service_account} if place.service_account else {}
            # The library's own address is the right one unless another was named.
            return {**named, **({"base_url": place.endpoint} if place.endpoint else {})}
        case "az":
            key = {"account_key": place.secret_key} if place.secret_key else {}
            return {"account_name": place.account, "endpoint": place.address(), **key}
    keys = {}
    if place.access_key:
        keys = {"access_key_id": place.access_key, "secret_access_key": place.secret_key}
    if place.session_token:
        keys["session_token"] = place.session_token
    return {
        "endpoint": place.address(),
        # The environment's AWS_ENDPOINT_URL_S3 would win over `endpoint`.
        "aws_endpoint_url_s3": place.address(),
        "region": place.region or "us-east-1",
        "virtual_hosted_style_request": not place.path_style,
        **keys,
    }


def _meaning(error: Exception) -> Trouble:
    """What a client's exception says about the object."""
    match error:
        case Trouble():
            return error
        case AlreadyExistsError() | PreconditionError():
            return Taken(_short(error))
        case FileNotFoundError():
            # A bucket that is not there says nothing of what is in it: it may be misspelt, or a mount away.
            return (Denied if any(words in str(error) for words in _NO_BUCKET) else Absent)(_short(error))
        case PermissionDeniedError() | UnauthenticatedError():
            return Denied(_short(error))
        case TimeoutError():
            return Unclear("no answer in time")
    return Unclear(_short(error))


def _short(error: Exception) -> str:
    """One line of a client's message: without its debug part, without the store's own document."""
    line = str(error).partition("\n")[0].partition("<?xml")[0].strip(" :")
    return f"{type(error).__name__}: {line[:200]}"
