"""The suppression list, one by one and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import msgspec

from mailward.base.errors import Invalid, NotFound
from mailward.edges.web.limits import MB, RateClass
from mailward.edges.web.problems import Answer
from mailward.edges.web.routes import Call, Operation, Reply
from mailward.edges.web.schema import suppressions as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission

COLUMNS = ("address", "reason", "stream", "created_at")
MAX_ROWS = 100_000
# What a spreadsheet takes for a formula. OWASP: prefix with an apostrophe, also after white space.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


async def find(call: Call[types.SuppressionQuery, None]) -> types.SuppressionPage:
    """Newest first, filtered."""
    return await call.platform.suppressions.find(call.actor, call.query)


async def add(call: Call[NoQuery, types.AddSuppression]) -> types.Suppression:
    """Stop writing to an address."""
    return await call.platform.suppressions.add(call.actor, call.body)


async def remove(call: Call[types.RemoveQuery, None]) -> None:
    """Allow writing to an address again."""
    await call.platform.suppressions.remove(call.actor, call.query.address, call.query.stream)


async def import_csv(call: Call[NoQuery, None]) -> types.Imported:
    """Add what a CSV lists."""
    return await call.platform.suppressions.import_many(call.actor, read_csv(call.raw))


async def export_csv(call: Call[NoQuery, None]) -> Reply:
    """The whole list."""
    rows = await call.platform.suppressions.export(call.actor)
    return Reply(
        write_csv(rows),
        media="text/csv; charset=utf-8",
        headers=((b"content-disposition", b'attachment; filename="suppressions.csv"'),),
    )


def read_csv(raw: bytes) -> list[types.AddSuppression]:
    """Rows of a CSV with a header line; `address` is needed, `reason` and `stream` may be there."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Answer("invalid_encoding") from None
    if "\0" in text:
        raise Invalid("invalid_csv", "The CSV holds NUL.", field="csv")
    rows: list[types.AddSuppression] = []
    try:
        lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if "address" not in (lines.fieldnames or ()):
            raise Invalid("invalid_csv", "The first line must name the columns, 'address' among them.", field="csv")
        for line in lines:
            if len(rows) >= MAX_ROWS:
                raise Invalid("too_many_rows", f"A file may have {MAX_ROWS} rows.", field="csv")
            rows.append(_row(line, lines.line_num))
    except csv.Error:
        raise Invalid("invalid_csv", "The file is not CSV (RFC 4180).", field="csv") from None
    return rows


def _row(line: dict[str, str | None], number: int) -> types.AddSuppression:
    values = {
        "address": (line.get("address") or "").strip().removeprefix("'"),
        "reason": (line.get("reason") or "").strip() or "imported",
        "stream": (line.get("stream") or "").strip() or None,
    }
    try:
        return msgspec.convert(values, types.AddSuppression)
    except msgspec.ValidationError:
        raise Invalid("invalid_csv", f"Line {number} is not a suppression.", field=f"csv[{number}]") from None


def write_csv(rows: Iterable[types.Suppression]) -> bytes:
    """CSV (RFC 4180) in which no cell starts a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(map(_tame, (row.address, row.reason, row.stream or "", row.created_at.isoformat())))
    return out.getvalue().encode()


def _tame(cell: str) -> str:
    return "'" + cell if cell.lstrip(" ").startswith(_FORMULA) else cell


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
