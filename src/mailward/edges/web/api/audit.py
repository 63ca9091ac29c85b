"""The audit log: reading, the signed head, proofs, and the export that is verified offline."""

from __future__ import annotations

from mailward.base.errors import Invalid
from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation, Reply
from mailward.edges.web.schema import audit as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission

CSV_MEDIA = "text/csv; charset=utf-8"
EXPORT_MEDIA = "application/vnd.mailward.audit"


async def entries(call: Call[types.AuditQuery, None]) -> types.AuditPage:
    """Newest first, filtered."""
    return await call.platform.audit.entries(call.actor, call.query)


async def checkpoint(call: Call[NoQuery, None]) -> types.Checkpoint:
    """The signed head."""
    return await call.platform.audit.checkpoint(call.actor)


async def proof(call: Call[types.ProofQuery, None]) -> types.Proof:
    """Inclusion of an entry, or consistency with an earlier head."""
    if (call.query.index is None) == (call.query.first is None):
        raise Invalid("invalid_parameter", "Give either index or first.", field="index")
    return await call.platform.audit.proof(call.actor, call.query)


async def table(call: Call[types.AuditQuery, None]) -> Reply:
    """The same search as a table."""
    return Reply(
        (await call.platform.audit.csv(call.actor, call.query)).encode(),
        media=CSV_MEDIA,
        headers=((b"content-disposition", b'attachment; filename="audit.csv"'), (b"cache-control", b"no-store")),
    )


async def export(call: Call[types.AuditExportQuery, None]) -> Reply:
    """The file that `mailward audit verify` reads."""
    return Reply(
        await call.platform.audit.export(call.actor, call.query),
        media=EXPORT_MEDIA,
        headers=((b"content-disposition", b'attachment; filename="audit.mailward"'),),
    )


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/audit",
        handler=entries,
        permission=Permission.AUDIT_READ,
        rate=RateClass.READ,
        name="listAuditEntries",
        tag="audit",
        summary="Who did what, when",
        query=types.AuditQuery,
        response=types.AuditPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="GET",
        path="/v1/audit/checkpoint",
        handler=checkpoint,
        permission=Permission.AUDIT_READ,
        rate=RateClass.READ,
        name="getAuditCheckpoint",
        tag="audit",
        summary="The signed head of the log",
        response=types.Checkpoint,
        errors=("not_found",),
    ),
    Operation(
        method="GET",
        path="/v1/audit/proof",
        handler=proof,
        permission=Permission.AUDIT_READ,
        rate=RateClass.READ,
        name="getAuditProof",
        tag="audit",
        summary="Proof of inclusion or of consistency",
        query=types.ProofQuery,
        response=types.Proof,
        errors=("not_found",),
    ),
    Operation(
        method="GET",
        path="/v1/audit/csv",
        handler=table,
        permission=Permission.AUDIT_READ,
        rate=RateClass.WRITE,
        name="exportAuditTable",
        tag="audit",
        summary="What a search of the log finds, as CSV",
        description="At most 10,000 entries, newest first; cursor and limit are not used. For reading: a table proves "
        "nothing. The export is an entry itself.",
        query=types.AuditQuery,
        response_media=CSV_MEDIA,
    ),
    Operation(
        method="GET",
        path="/v1/audit/export",
        handler=export,
        permission=Permission.AUDIT_READ,
        rate=RateClass.WRITE,
        name="exportAudit",
        tag="audit",
        summary="The log with its proofs, for offline verification",
        description="With a period, the entries around it are shown too, so that nothing at its ends can be left out.",
        query=types.AuditExportQuery,
        response_media=EXPORT_MEDIA,
        errors=("not_found",),
    ),
]
