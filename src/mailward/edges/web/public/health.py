"""`/healthz` (this process answers) and `/readyz` (it should be given work)."""

from __future__ import annotations

from typing import Any

from mailward.edges.web.limits import RateClass
from mailward.edges.web.ports import Readiness
from mailward.edges.web.routes import Call, Operation, Reply
from mailward.edges.web.schema.common import NoQuery, View
from mailward.policy.access import PUBLIC


class Health(View):
    """The process answers."""

    status: str


class Ready(View):
    """Each part and whether it answers."""

    ready: bool
    parts: dict[str, bool]


def operations(readiness: Readiness) -> list[Operation]:
    """The two probes."""

    async def healthz(call: Call[NoQuery, None]) -> Health:
        return Health(status="ok")

    async def readyz(call: Call[NoQuery, None]) -> Reply:
        parts = await readiness.check()
        ready = all(parts.values())
        return Reply(Ready(ready=ready, parts=parts), status=200 if ready else 503)

    common: dict[str, Any] = {"method": "GET", "permission": PUBLIC, "rate": RateClass.PUBLIC, "tag": "operation"}
    return [
        Operation(
            path="/healthz",
            handler=healthz,
            name="getHealth",
            summary="Whether this process answers",
            response=Health,
            **common,
        ),
        Operation(
            path="/readyz",
            handler=readyz,
            name="getReadiness",
            summary="Whether this process should be given work",
            response=Ready,
            answers=((503, Ready),),
            **common,
        ),
    ]
