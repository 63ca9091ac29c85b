"""LOG-1: the whole audit log, recomputed."""

from __future__ import annotations

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.audit.verify_store import verify_store
from mailward.core.evidence.model import Finding, failed, passed


@check("LOG-1")
async def every_tree_recomputes(context: Context) -> Finding:
    """Every tree is rebuilt from its leaves and compared with nodes, signed heads and the root tree."""
    signer = context.installation.vault.log_signer()
    faults = await context.store.system_read(lambda tx: verify_store(tx, signer.public_key, signer.log))
    if faults:
        return failed(f"{len(faults)} faults; the first: {faults[0].workspace} {faults[0].seq}: {faults[0].what}")
    trees = await context.store.system_read(lambda tx: tx.audit.trees())
    return passed(f"{len(trees)} trees recomputed from their entries agree with every signed head ({signer.log})")
