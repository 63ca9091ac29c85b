"""The suppression list, one by one and as CSV."""

from __future__ import annotations

from mailward.base.errors import NotFound
from mailward.edges.web.limits import MB, RateClass
from mailward.edges.web.problems import Answer
from mailward.edges.web.routes import Call, Operation, Reply
from mailward.edges.web.schema import suppressions as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission


async def find(call: Call[types.SuppressionQuery, None]) -> types.SuppressionPage:
    """Newest first, filtered."""
    return await call.platform.suppressions.find(call.actor, call.query)


async def add(call: Call[NoQuery, types.AddSuppression]) -> types.Suppression:
    """Stop writing to an address."""
    return await call.platform.suppressions.add(call.actor, call.body)


async def remove(call: Call[types.RemoveQuery, None]) -> None:
    """Allow writing to an address again."""
    await call.platform.suppressions.remove(call.actor, call.query.address)


async def import_csv(call: Call[NoQuery, None]) -> types.Imported:
    """Add what a CSV lists."""
    try:
        text = call.raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Answer("invalid_encoding", "The CSV is not UTF-8.") from None
    return await call.platform.suppressions.import_csv(call.actor, text)


async def export_csv(call: Call[NoQuery, None]) -> Reply:
    """The whole list; cells that a spreadsheet would run are made text."""
    return Reply(
        (await call.platform.suppressions.export_csv(call.actor)).encode(),
        media="text/csv; charset=utf-8",
        headers=((b"content-disposition", b'attachment; filename="suppressions.csv"'),),
    )


async def check(call: Call[NoQuery, types.AddSuppression]) -> types.Suppression:
    """One entry by its address, given in the body so that it stays out of logs of proxies."""
    query = types.SuppressionQuery(address=call.body.address, stream=call.body.stream, limit=1)
    page = await call.platform.suppressions.find(call.actor, query)
    if not page.data:
        raise NotFound("not_found", "The address is not suppressed.")
    return page.data[0]


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/suppressions",
        handler=find,
        permission=Permission.SUPPRESSION_READ,
        rate=RateClass.READ,
        name="listSuppressions",
        tag="suppressions",
        summary="List suppressed addresses",
        query=types.SuppressionQuery,
        response=types.SuppressionPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="POST",
        path="/v1/suppressions",
        handler=add,
        permission=Permission.SUPPRESSION_CHANGE,
        rate=RateClass.WRITE,
        name="addSuppression",
        tag="suppressions",
        summary="Stop writing to an address",
        request=types.AddSuppression,
        response=types.Suppression,
        status=201,
        errors=("invalid_address",),
    ),
    Operation(
        method="DELETE",
        path="/v1/suppressions",
        handler=remove,
        permission=Permission.SUPPRESSION_CHANGE,
        rate=RateClass.WRITE,
        name="removeSuppression",
        tag="suppressions",
        summary="Allow writing to an address again",
        query=types.RemoveQuery,
        status=204,
        errors=("not_found",),
    ),
    Operation(
        method="POST",
        path="/v1/suppressions/check",
        handler=check,
        permission=Permission.SUPPRESSION_READ,
        rate=RateClass.READ,
        name="checkSuppression",
        tag="suppressions",
        summary="Whether an address is suppressed",
        request=types.AddSuppression,
        response=types.Suppression,
        errors=("not_found",),
    ),
    Operation(
        method="POST",
        path="/v1/suppressions/import",
        handler=import_csv,
        permission=Permission.SUPPRESSION_CHANGE,
        rate=RateClass.WRITE,
        name="importSuppressions",
        tag="suppressions",
        summary="Import a CSV of addresses",
        description="The first line names the columns: address, and if you have them reason and stream.",
        raw_media=("text/csv",),
        response=types.Imported,
        body_limit=8 * MB,
    ),
    Operation(
        method="GET",
        path="/v1/suppressions/export",
        handler=export_csv,
        permission=Permission.SUPPRESSION_READ,
        rate=RateClass.WRITE,
        name="exportSuppressions",
        tag="suppressions",
        summary="Export the list as CSV",
        response_media="text/csv",
    ),
]
