"""`mailward doctor`, the object store: everything the platform will ask of the bucket, tried on a key of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from mailward.adapters.host.clock import SystemEntropy
from mailward.adapters.storage.objects.place import KINDS
from mailward.app.commands.finding import Finding
from mailward.app.objects import Objects, ObjectsError, place_of


def examine_objects(objects: Objects) -> Iterator[Finding]:
    """Where bodies go and whether put, get, range, put-if-absent, list and delete work there; nothing when unset."""
    place = place_of(objects)
    if place is None:
        return
    yield Finding("object store", "ok", f"{KINDS[place.kind]}, {place.bucket} at {place.address()}")
    if place.unencrypted:
        yield Finding("object store TLS", "warning", "none, on loopback", "Right for a trial; use https:// for mail.")
    # Here, so that an embedded installation does not load a client that it never uses.
    from mailward.adapters.storage.objects.bucket import open_bucket
    from mailward.adapters.storage.objects.probe import probe

    async def run() -> list[Finding]:
        steps = await probe(open_bucket(place), SystemEntropy())
        return [
            Finding(f"object store, {s.what}", "ok" if s.good else "wrong", s.found, "" if s.good else s.advice)
            for s in steps
        ]

    try:
        yield from asyncio.run(run())
    except ObjectsError as e:
        yield Finding("object store", "wrong", str(e), "Mend the [objects] section.")
