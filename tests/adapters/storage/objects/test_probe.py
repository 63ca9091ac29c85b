"""Trying a bucket, and saying what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailward.adapters.storage.objects.bucket import Bucket, open_bucket
from mailward.adapters.storage.objects.place import Place
from mailward.adapters.storage.objects.probe import Step, probe
from tests.adapters.storage.objects.faults import Fault, FaultProxy, Forward, Request, answer, corrupt, says
from tests.conftest import SeededEntropy

ALL = ["put", "get", "range", "put if absent", "list", "delete"]


def failed(steps: list[Step]) -> dict[str, str]:
    return {step.what: step.advice for step in steps if not step.good}


async def test_a_good_bucket_passes_every_step(bucket: Bucket, entropy: SeededEntropy) -> None:
    """A bucket that does all we need passes six steps and keeps nothing."""
    steps = await probe(bucket, entropy)
    assert [step.what for step in steps] == ALL
    assert failed(steps) == {}
    assert [entry async for entries in bucket.list("") for entry in entries] == []


async def ignores_condition(request: Request, forward: Forward) -> bytes:
    """A store that takes every PUT for what it is."""
    request.headers.pop("if-none-match", None)
    return await forward()


async def ignores_range(request: Request, forward: Forward) -> bytes:
    """A store that answers with the whole object whatever range was asked for."""
    request.headers.pop("range", None)
    return await forward()


async def ignores_delete(_: Request, __: Forward) -> bytes:
    """A store that says it removed and did not."""
    return answer("200 OK", b"<DeleteResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'></DeleteResult>")


@pytest.mark.parametrize(
    ("method", "fault", "step", "advice"),
    [
        ("PUT", says("403 Forbidden"), "put", "access_key"),
        ("PUT", says("503 Service Unavailable"), "put", "endpoint"),
        ("PUT", ignores_condition, "put if absent", "put_if_absent = false"),
        ("GET", ignores_range, "range", "Range"),
        ("GET", corrupt, "get", "GetObject"),
        ("GET", says("403 Forbidden"), "list", "ListBucket"),
        ("POST", says("403 Forbidden"), "delete", "DeleteObject"),
        ("POST", ignores_delete, "delete", "DeleteObject"),
    ],
)
async def test_what_is_missing_is_named(
    bucket: Bucket, proxy: FaultProxy, entropy: SeededEntropy, method: str, fault: Fault, step: str, advice: str
) -> None:
    """A store that lacks one thing fails in that step, with what to do about it."""
    proxy.always(method, fault)
    wrong = failed(await probe(bucket, entropy))
    assert step in wrong
    assert advice in wrong[step]


async def test_a_store_without_put_if_absent_passes_when_told_so(
    place: Place, proxy: FaultProxy, entropy: SeededEntropy
) -> None:
    """With put_if_absent = false the same store is good: names are looked up first."""
    proxy.always("PUT", ignores_condition)
    assert failed(await probe(open_bucket(replace(place, put_if_absent=False)), entropy)) == {}
