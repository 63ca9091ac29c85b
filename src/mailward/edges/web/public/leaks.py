"""The public report of a leaked key: no credential, one answer for everything."""

from __future__ import annotations

from mailward.edges.web.limits import SMALL, RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import keys as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import PUBLIC


async def report(call: Call[NoQuery, types.LeakReport]) -> types.LeakReceived:
    """Acted on; the answer tells nothing."""
    where = "".join(c for c in call.body.where if c.isprintable())
    await call.platform.leaks.report(call.body.token, where, call.actor.address)
    return types.LeakReceived()


OPERATIONS = [
    Operation(
        method="POST",
        path="/leaked-keys",
        handler=report,
        permission=PUBLIC,
        rate=RateClass.REPORT,
        name="reportLeakedKey",
        tag="leaked-keys",
        summary="Report a key that was found where it does not belong",
        description="For an API key or an SMTP password of this installation. Its owner is warned by mail, or it is "
        "revoked at once where the workspace asks for that. No credential is needed, and the answer is the same, in "
        "the same time, for a key that works, one that does not, and any other text.",
        request=types.LeakReport,
        response=types.LeakReceived,
        status=202,
        body_limit=SMALL,
    ),
]
