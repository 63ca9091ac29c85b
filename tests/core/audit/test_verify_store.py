"""Tampering behind the application's back is found, whichever row it touches."""

from __future__ import annotations

from typing import Any

import pymerkle  # type: ignore[import-untyped]  # no stubs
import pytest
from pymerkle.core import _inclusion_path_layout  # type: ignore[import-untyped]  # no stubs

from mailward.adapters.vault.signer import LogSigner
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.audit.advance import advance
from mailward.core.audit.model import Fault
from mailward.core.audit.read import Proof, erase_facts, latest_head, list_entries, prove_consistency, prove_inclusion
from mailward.core.audit.verify_store import verify_store
from mailward.policy.access import Actor, Permission
from mailward.protocol.merkle.checkpoint import open_checkpoint
from mailward.protocol.merkle.proofs import verify_consistency, verify_inclusion
from tests.raw import raw

A = WorkspaceId(ids.encode("ws", b"a" * 16))
B = WorkspaceId(ids.encode("ws", b"b" * 16))
NOBODY = Actor(WorkspaceId(""), "system", "start")
SIGNER = LogSigner(b"s" * 32)


def actor(workspace: WorkspaceId) -> Actor:
    return Actor(workspace, "session", "usr_" + "0" * 26, frozenset(Permission))


async def add(store: Store, clock: Any, workspace: WorkspaceId, facts: dict[str, str] | None = None) -> None:
    me = actor(workspace)
    await store.write(workspace, lambda tx: tx.audit.append(me, "thing.done", "t", facts, now=clock.now()))


async def included(store: Store, index: int) -> Proof:
    return await store.read(A, lambda tx: prove_inclusion(tx, actor(A), index))


async def consistent(store: Store, size: int) -> Proof:
    return await store.read(A, lambda tx: prove_consistency(tx, actor(A), size))


async def fill(store: Store, clock: Any, *, rounds: int = 3) -> None:
    """Entries in two workspaces and in the installation's log, with a head after each round."""
    for n in range(rounds):
        for workspace, count in ((A, 5), (B, 2)):
            for i in range(count):
                facts = {"email": f"person{n}{i}@example.com"} if i % 2 == 0 else None
                await add(store, clock, workspace, facts)
        await store.system_write(lambda tx: tx.audit.append(NOBODY, "process.started", "x", now=clock.now()))
        await sequence(store, clock)
        clock.move(seconds=1)


async def sequence(store: Store, clock: Any) -> None:
    done = await store.system_write(lambda tx: advance(tx, SIGNER, now=clock.now()))
    assert done.faults == []


async def faults(store: Store, *kept: str) -> list[Fault]:
    return await store.system_read(lambda tx: verify_store(tx, SIGNER.public_key, SIGNER.log, checkpoints=kept))


async def tamper(store: Store, *statements: str) -> None:
    for sql in statements:
        await raw(store, sql)


@pytest.mark.claim("LOG-1")
async def test_an_untouched_log_verifies(store: Store, clock: Any) -> None:
    """No faults, with entries waiting for a head and without; a head is signed for what is new only."""
    await fill(store, clock)
    assert await faults(store) == []
    await store.write(A, lambda tx: tx.audit.append(actor(A), "thing.done", "t", now=clock.now()))
    assert await faults(store) == []
    done = await store.system_write(lambda tx: advance(tx, SIGNER, now=clock.now()))
    assert set(done.heads) == {A, "installation"}
    again = await store.system_write(lambda tx: advance(tx, SIGNER, now=clock.now()))
    assert again.heads == {}


_A = "workspace = x'" + (b"a" * 16).hex() + "'"
_ROOT = "workspace = x'" + "00" * 16 + "'"
_LEAF = "leaf = CAST(replace(CAST(leaf AS TEXT), 'thing.done', 'thing.gone') AS BLOB)"


@pytest.mark.asvs("16.4.2")
@pytest.mark.claim("LOG-1")
@pytest.mark.parametrize(
    "statements",
    [
        pytest.param([f"UPDATE t_audit SET {_LEAF} WHERE {_A} AND seq = 7"], id="change an entry"),
        pytest.param([f"UPDATE t_audit SET at = at + 1 WHERE {_A} AND seq = 7"], id="change a time"),
        pytest.param([f"UPDATE t_audit SET act = 'x' WHERE {_A} AND seq = 7"], id="change the act beside it"),
        pytest.param([f"UPDATE t_audit SET id = randomblob(16) WHERE {_A} AND seq = 7"], id="change an id"),
        pytest.param([f"DELETE FROM t_audit WHERE {_A} AND seq = 0"], id="drop the first"),
        pytest.param([f"DELETE FROM t_audit WHERE {_A} AND seq = 7"], id="drop from the middle"),
        pytest.param([f"DELETE FROM t_audit WHERE {_A} AND seq >= 12"], id="cut the tail"),
        pytest.param([f"DELETE FROM t_audit WHERE {_A}"], id="drop all entries"),
        pytest.param(
            [
                f"DELETE FROM t_audit WHERE {_A} AND seq = 7",
                f"UPDATE t_audit SET seq = seq - 1 WHERE {_A} AND seq > 7",
            ],
            id="drop and close the gap",
        ),
        pytest.param(
            [
                f"UPDATE t_audit SET seq = 1000 WHERE {_A} AND seq = 3",
                f"UPDATE t_audit SET seq = 3 WHERE {_A} AND seq = 4",
                f"UPDATE t_audit SET seq = 4 WHERE {_A} AND seq = 1000",
            ],
            id="reorder",
        ),
        pytest.param(
            [
                f"DELETE FROM t_audit WHERE {_A} AND seq >= 10",
                f"DELETE FROM t_audit_heads WHERE {_A} AND size > 10",
            ],
            id="cut the tail with its heads",
        ),
        pytest.param(
            [f"DELETE FROM {t} WHERE {_A}" for t in ("t_audit", "t_audit_heads", "t_audit_nodes", "t_audit_facts")],
            id="drop a whole workspace",
        ),
        pytest.param([f"UPDATE t_audit_heads SET root = randomblob(32) WHERE {_A}"], id="change a head"),
        pytest.param([f"UPDATE t_audit_heads SET note = replace(note, 'a', 'b') WHERE {_A}"], id="change a note"),
        pytest.param([f"DELETE FROM t_audit_heads WHERE {_A} AND size = 5"], id="drop a head"),
        pytest.param([f"UPDATE t_audit_nodes SET hash = randomblob(32) WHERE {_A} AND level = 1"], id="change nodes"),
        pytest.param([f"DELETE FROM t_audit_nodes WHERE {_A} AND level = 2"], id="drop nodes"),
        pytest.param(
            [f"UPDATE t_audit_facts SET facts = replace(facts, 'person', 'nobody') WHERE {_A}"], id="change facts"
        ),
        pytest.param([f"DELETE FROM t_audit_facts WHERE {_A}"], id="drop facts"),
        pytest.param([f"UPDATE t_audit SET {_LEAF.replace('thing.done', 'process')} WHERE {_ROOT}"], id="installation"),
        pytest.param([f"DELETE FROM t_audit WHERE {_ROOT} AND seq = 1"], id="drop from the installation"),
    ],
)
async def test_tampering_is_found(store: Store, clock: Any, statements: list[str]) -> None:
    """Whatever row is changed, dropped or moved by raw SQL, verification says so."""
    await fill(store, clock)
    assert await faults(store) == []
    await tamper(store, *statements)
    assert await faults(store) != []


@pytest.mark.claim("LOG-1")
async def test_rolling_back_everything_is_found_by_a_kept_checkpoint(store: Store, clock: Any) -> None:
    """Cutting entries and heads of all trees alike is consistent in itself; a note kept elsewhere tells."""
    await fill(store, clock, rounds=2)

    async def note(tx: Any) -> str:
        return str((await tx.audit.head(bytes(16))).note)

    kept = await store.system_read(note)
    own = (await store.read(A, lambda tx: latest_head(tx, actor(A)))).note
    assert await faults(store, kept, own) == []
    await fill(store, clock, rounds=1)
    assert await faults(store, kept, own) == []

    for workspace, size in await raw(store, "SELECT workspace, min(size) FROM t_audit_heads GROUP BY workspace"):
        await raw(store, "DELETE FROM t_audit_heads WHERE workspace = ? AND size > ?", workspace, size)
        await raw(store, "DELETE FROM t_audit WHERE workspace = ? AND seq >= ?", workspace, size)
        orphans = "DELETE FROM t_audit_facts WHERE workspace = ? AND id NOT IN (SELECT id FROM t_audit)"
        await raw(store, orphans, workspace)
        await raw(store, "DELETE FROM t_audit_nodes WHERE workspace = ? AND (idx + 1) << level > ?", workspace, size)
    assert await faults(store) == []
    assert {f.workspace for f in await faults(store, kept)} == {"installation"}
    assert {f.workspace for f in await faults(store, own)} == {A}


@pytest.mark.claim("LOG-1")
async def test_the_sequencer_does_not_sign_over_a_forgery(store: Store, clock: Any) -> None:
    """A frontier that no longer gives the signed root gets no new head, and the others go on."""
    await fill(store, clock)
    await tamper(store, f"UPDATE t_audit_nodes SET hash = randomblob(32) WHERE {_A} AND level = 3")
    for workspace in (A, B):
        await add(store, clock, workspace)
    done = await store.system_write(lambda tx: advance(tx, SIGNER, now=clock.now()))
    assert [f.workspace for f in done.faults] == [A]
    assert set(done.heads) == {B, "installation"}


async def test_erasing_facts_keeps_the_log_verifiable(store: Store, clock: Any) -> None:
    """Facts go, the erasure is an entry, every proof still holds."""
    await fill(store, clock)
    entries = await store.read(A, lambda tx: list_entries(tx, actor(A)))
    erased = next(e for e in entries if e.facts)
    await store.write(A, lambda tx: erase_facts(tx, actor(A), erased.id, now=clock.now()))
    await sequence(store, clock)
    assert await faults(store) == []
    after = await store.read(A, lambda tx: list_entries(tx, actor(A)))
    assert next(e for e in after if e.id == erased.id).facts is None
    assert after[0].act == "audit.facts_erased"


@pytest.mark.claim("LOG-1")
async def test_proofs_from_the_store_hold(store: Store, clock: Any) -> None:
    """Every entry's inclusion and every size's consistency are proved against the signed head."""
    await fill(store, clock)
    me = actor(A)
    head = await store.read(A, lambda tx: latest_head(tx, me))
    assert open_checkpoint(head.note, SIGNER.public_key).root == head.root
    roots = {h.size: h.root for h in await store.read(A, lambda tx: tx.audit.heads(b"a" * 16))}
    for index in range(head.size):
        proof = await included(store, index)
        assert proof.leaf_hash is not None
        verify_inclusion(proof.leaf_hash, index, head.size, proof.hashes, head.root)
    for size, root in roots.items():
        proof = await consistent(store, size)
        verify_consistency(size, root, head.size, head.root, proof.hashes)


@pytest.mark.claim("LOG-1")
async def test_proofs_hold_for_a_verifier_no_one_here_wrote(store: Store, clock: Any) -> None:
    """The PyPI package pymerkle accepts our proofs and computes our root, and refuses a proof for another leaf."""
    await fill(store, clock)
    me = actor(A)
    head = await store.read(A, lambda tx: latest_head(tx, me))
    leaves = await store.read(A, lambda tx: tx.audit.leaf_bytes(b"a" * 16, 0, head.size))
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    for leaf in leaves:
        theirs.append_entry(leaf)
    assert theirs.get_root() == head.root
    for index in range(head.size):
        ours = await included(store, index)
        rule, _ = _inclusion_path_layout(index + 1, head.size)
        proof = pymerkle.InclusionProof("sha256", True, head.size, index + 1, rule, [ours.leaf_hash, *ours.hashes])
        proof.verify(ours.leaf_hash, head.root, index=index + 1, size=head.size)
        with pytest.raises(pymerkle.InvalidProof):
            proof.verify(bytes(32), head.root, index=index + 1, size=head.size)


@pytest.mark.asvs("16.4.2")
@pytest.mark.claim("AUTHZ-2")
async def test_a_workspace_reads_its_own_log_only(store: Store, clock: Any) -> None:
    """Under B's scope A's entries, heads and nodes do not exist."""
    await fill(store, clock)
    assert await store.read(B, lambda tx: tx.audit.size(b"a" * 16)) == 0
    assert await store.read(B, lambda tx: tx.audit.head(b"a" * 16)) is None
    assert await store.read(B, lambda tx: tx.audit.node(b"a" * 16, 1, 0)) is None
    assert len(await store.read(B, lambda tx: list_entries(tx, actor(B)))) == 6


@pytest.mark.asvs("2.3.3")
async def test_an_entry_exists_only_with_its_change(store: Store, clock: Any) -> None:
    """A verb that fails after appending leaves no entry."""

    async def fails(tx: Any) -> None:
        await tx.audit.append(actor(A), "thing.done", "t", now=clock.now())
        raise ValueError

    with pytest.raises(ValueError):
        await store.write(A, fails)
    assert await store.read(A, lambda tx: tx.audit.size(b"a" * 16)) == 0
