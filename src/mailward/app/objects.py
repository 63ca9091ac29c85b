"""The `[objects]` section: where bodies lie when the state is in PostgreSQL, and how one gets there.

    [objects]
    url = "s3://bucket/prefix"              # or gs://bucket/prefix, az://container/prefix
    endpoint = "https://minio.example:9000" # when it is not Amazon's, Google's or Microsoft's own
    region = "eu-central-1"

Keys best by MAILWARD_OBJECTS__ACCESS_KEY_FILE and MAILWARD_OBJECTS__SECRET_KEY_FILE, or not at
all where the machine has a role.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, cast

import msgspec

from mailward.adapters.storage.objects.limits import Limits
from mailward.adapters.storage.objects.place import Place as BucketPlace
from mailward.adapters.storage.objects.place import PlaceError, check_place
from mailward.app.forms import Door, Each, Place, Secret, Text, Within
from mailward.base.sources import Clock, Entropy

if TYPE_CHECKING:
    from mailward.adapters.storage.objects.files import AttachmentStore
    from mailward.adapters.storage.objects.segments import ObjectSegments
    from mailward.adapters.storage.postgres.sql import Sql
    from mailward.app.store import Chore, Store

ObjectsError = PlaceError


class Objects(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The object store for message bodies. Without `url` there is none."""

    url: Annotated[str, Text()] = ""
    """`s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`."""
    endpoint: Annotated[str, Text()] = ""
    """`https://host:port` of another store that speaks S3, or of a private address of the same."""
    region: Annotated[str, Text(255)] = ""
    access_key: Annotated[str, Secret()] = ""
    """S3: the access key id. Empty: the machine's own role, or the environment."""
    secret_key: Annotated[str, Secret()] = ""
    """S3: the secret key. Azure: the account's key."""
    session_token: Annotated[str, Secret()] = ""
    account: Annotated[str, Text(255)] = ""
    """Azure: the storage account."""
    service_account: Annotated[str, Place()] = ""
    """GCS: path of a service account's JSON file. Empty: the machine's own."""
    path_style: bool = True
    """S3: the bucket in the path of an address; false puts it before the host name."""
    put_if_absent: bool = True
    """The store honours `If-None-Match: *`; `mailward doctor` tells. False looks a name up before it is written."""
    ca: Annotated[str, Place()] = ""
    """PEM file of a private authority that vouches for the endpoint, trusted beside the system's."""
    plaintext: Annotated[list[str], Each(Door())] = msgspec.field(default_factory=list)
    """`address:port` of loopback endpoints that are spoken to without TLS."""
    uploads: Annotated[int, Within(1, 1000)] = 8
    """Uploads of a worker under way at once."""
    deadline_seconds: Annotated[float, Within(1, 120)] = 15.0
    """How long a message may take to be stored before its sender is told to come back; more for large ones."""
    memory_bytes: Annotated[int, Within(1 << 20, 1 << 40)] = 100_663_296
    """Sealed content of a worker in memory."""


class Attachments(Objects):
    """The `[attachments]` section: a bucket endpoints fetch attachments of received mail from. Without `url`: none.

    What lies there is in the clear towards whoever holds the bucket; the store's own encryption protects it at rest.
    """

    url_hours: Annotated[int, Within(1, 168)] = 72
    """How long a signed URL works, in hours; at most a week. An attempt made later signs afresh."""


def attachment_store(attachments: Attachments) -> AttachmentStore | None:
    """Where attachments go that a route wants stored; None when no such place is set. Call it after forking."""
    place = place_of(attachments)
    if place is None:
        return None
    from mailward.adapters.storage.objects.bucket import open_client
    from mailward.adapters.storage.objects.files import AttachmentStore

    return AttachmentStore(open_client(check_place(place)), expires=timedelta(hours=attachments.url_hours))


def place_of(objects: Objects) -> BucketPlace | None:
    """Where bodies lie, or None when no object store is set."""
    if not objects.url:
        return None
    o = objects
    return BucketPlace(
        url=o.url,
        endpoint=o.endpoint.rstrip("/"),
        region=o.region,
        access_key=o.access_key,
        secret_key=o.secret_key,
        session_token=o.session_token,
        account=o.account,
        service_account=o.service_account,
        path_style=o.path_style,
        put_if_absent=o.put_if_absent,
        ca_file=o.ca,
        plaintext=tuple(o.plaintext),
        section="attachments" if isinstance(o, Attachments) else "objects",
    )


def check_objects(objects: Objects) -> None:
    """ObjectsError, naming the key, when these settings may not be used."""
    if (place := place_of(objects)) is not None:
        check_place(place)


def opener(objects: Objects, *, clock: Clock, entropy: Entropy) -> Callable[[int], ObjectSegments]:
    """What opens the bodies of a process, given the writer number it drew. Call it after forking."""
    # Here, so that an embedded installation does not load a client that it never uses.
    from mailward.adapters.storage.objects.segments import open_objects

    place = place_of(objects)
    if place is None:
        raise ObjectsError('objects.url: with storage.kind = "postgres" bodies need an object store')
    limits = Limits(uploads=objects.uploads, deadline=objects.deadline_seconds, sealed_bytes=objects.memory_bytes)

    def open_for(writer: int) -> ObjectSegments:
        return open_objects(place, writer=writer, clock=clock, entropy=entropy, limits=limits)

    return open_for


# A step looks at this many objects, so that stopping is soon; a pass is all its steps, one after the other.
_OBJECTS_OF_A_STEP = 20_000
# Between two passes. Each lists the whole bucket, a thousand objects a request, to find what is older than a day.
_SWEEP_SECONDS = 6 * 3600.0


def object_chores(objects: Objects, store: Store, clock: Clock) -> list[Chore]:
    """Housekeeping of the bucket: removing objects that no row names any more."""
    place = place_of(objects)
    if place is None:
        return []
    return [("objects", _SWEEP_SECONDS, sweeping(place, store, clock))]


def sweeping(place: BucketPlace, store: Store, clock: Clock) -> Callable[[], Awaitable[int]]:
    """One step of the sweep: 1 when the bucket goes on after it, 0 at its end. The next goes on where it stopped."""
    from mailward.adapters.storage.objects.bucket import open_bucket
    from mailward.adapters.storage.objects.sweep import sweep
    from mailward.adapters.storage.postgres.living import living_segments

    bucket = open_bucket(place)
    after: str | None = None

    async def living(segments: Sequence[int]) -> set[int]:
        # Only PostgreSQL's rows name objects, and only its transaction knows how to ask.
        return await store.system_read(lambda tx: living_segments(cast("Sql", tx), segments))

    async def step() -> int:
        nonlocal after
        done = await sweep(bucket, living, now=clock.now(), after=after, most=_OBJECTS_OF_A_STEP)
        after = done.after
        return int(after is not None)

    return step
