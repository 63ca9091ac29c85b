"""LOG-1: the whole audit log, recomputed; and what a customer takes home, verified as they would."""

from __future__ import annotations

import msgspec

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.audit.export import export
from mailward.core.audit.verify_export import verify_export
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


@check("LOG-1")
async def an_export_proves_itself(context: Context) -> Finding:
    """Export the workspace's log, verify it with the published key alone, and see every kind of forgery found."""
    signer, now = context.installation.vault.log_signer(), context.clock.now()
    made = await context.store.write(context.actor.workspace, lambda tx: export(tx, context.actor, signer, now=now))
    whole = msgspec.json.encode(made)
    report = verify_export(whole, public_key=signer.public_key)
    if report.faults:
        return failed(f"a fresh export does not prove itself: {report.faults[0]}")
    entries = made["entries"]
    if len(entries) < 2:
        return failed(f"an export holds {len(entries)} entries, too few to try a forgery")
    forgeries = {
        "a changed entry": [{**entries[0], "leaf": entries[0]["leaf"].replace('"at":', '"at": 1', 1)}, *entries[1:]],
        "a dropped entry": entries[1:],
        "a cut tail": entries[:-1],
        "two entries in another order": [entries[1], entries[0], *entries[2:]],
    }
    for what, forged in forgeries.items():
        if not verify_export(msgspec.json.encode({**made, "entries": forged}), public_key=signer.public_key).faults:
            return failed(f"{what} in an export is not found")
    other = bytes(32 - len(signer.public_key[:31])) + signer.public_key[:31]
    if not verify_export(whole, public_key=other).faults:
        return failed("an export verifies with another key")
    return passed(
        f"an export of {report.entries} entries verifies with the public key alone; a changed, dropped or moved entry, "
        "a cut tail and another key are each found"
    )
