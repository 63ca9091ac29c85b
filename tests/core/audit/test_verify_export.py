"""An export proves itself offline; nothing in it can be changed without being found."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailward.adapters.vault.signer import LogSigner
from mailward.app.audit_export import export_bytes
from mailward.app.commands.audit import verify
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.audit.advance import advance
from mailward.core.audit.read import latest_head
from mailward.core.audit.verify_export import parse_public_key, verify_export
from mailward.policy.access import Actor, Permission
from mailward.protocol.merkle.checkpoint import Checkpoint, sign_checkpoint
from mailward.protocol.merkle.note import VerifierKey

A = WorkspaceId(ids.encode("ws", b"a" * 16))
ME = Actor(A, "session", "usr_" + "0" * 26, frozenset(Permission))
SIGNER = LogSigner(b"s" * 32)


async def _fill(store: Store, clock: Any, count: int) -> None:
    for i in range(count):
        clock.move(hours=1)
        await store.write(
            A, lambda tx: tx.audit.append(ME, "thing.done", "t", {"email": "p@example.com"}, now=clock.now())
        )
        if i % 3 == 0:
            await store.system_write(lambda tx: advance(tx, SIGNER, now=clock.now()))


async def _note(store: Store) -> str:
    return (await store.read(A, lambda tx: latest_head(tx, ME))).note


@pytest.mark.claim("LOG-1")
async def test_a_whole_log_verifies_with_the_key_and_an_older_checkpoint(store: Store, clock: Any) -> None:
    """Good with the key that was kept, bad with another; every older checkpoint is found to be contained."""
    await _fill(store, clock, 10)
    old = await _note(store)
    await _fill(store, clock, 30)
    data = await export_bytes(store, SIGNER, ME, now=clock.now())
    report = verify_export(data, public_key=SIGNER.public_key, checkpoint=old)
    assert (report.faults, report.entries, report.size, report.anchored) == ([], 41, 41, True)
    assert verify_export(data).good
    assert not verify_export(data, public_key=LogSigner(b"t" * 32).public_key).good


def _drop(at: int) -> Callable[[dict[str, Any]], None]:
    return lambda c: c["entries"].pop(at)


def _renumbered_drop(c: dict[str, Any]) -> None:
    c["entries"].pop(4)
    for i, entry in enumerate(c["entries"]):
        entry["seq"] = i


def _swap(c: dict[str, Any]) -> None:
    c["entries"][3], c["entries"][4] = c["entries"][4], c["entries"][3]


def _leaf(c: dict[str, Any]) -> None:
    c["entries"][3]["leaf"] = c["entries"][3]["leaf"].replace("thing.done", "thing.gone")


def _facts(c: dict[str, Any]) -> None:
    c["entries"][3]["facts"] = c["entries"][3]["facts"].replace("p@", "q@")


def _no_facts(c: dict[str, Any]) -> None:
    c["entries"][3]["facts"] = None


def _inclusion(c: dict[str, Any]) -> None:
    c["entries"][3]["inclusion"][0] = base64.b64encode(bytes(32)).decode()


def _anchor(c: dict[str, Any]) -> None:
    c["anchor"]["leaf"] = c["anchor"]["leaf"].replace('"size"', '"Size"')


def _signature(c: dict[str, Any]) -> None:
    c["checkpoint"] = c["checkpoint"][:-6] + "AAAA" + c["checkpoint"][-2:]


def _size(c: dict[str, Any]) -> None:
    lines = c["checkpoint"].split("\n")
    lines[1] = str(int(lines[1]) - 1)
    c["checkpoint"] = "\n".join(lines)
    c["entries"].pop()


@pytest.mark.claim("LOG-1")
@pytest.mark.parametrize(
    "change",
    [
        _drop(0),
        _drop(5),
        _drop(-1),
        _renumbered_drop,
        _swap,
        _leaf,
        _facts,
        _no_facts,
        _inclusion,
        _anchor,
        _signature,
        _size,
        lambda c: c.update(workspace=ids.encode("ws", b"b" * 16)),
        lambda c: c.update(entries=[]),
        lambda c: c.update(first=1),
        lambda c: c.update(checkpoints="x"),
        lambda c: c["checkpoints"][0]["consistency"].append(base64.b64encode(bytes(32)).decode()),
        lambda c: c.pop("left"),
    ],
)
async def test_a_changed_export_is_refused(store: Store, clock: Any, tmp_path: Path, change: Any) -> None:
    """The command says 0 for the file as it was and 1 once anything in it was changed."""
    await _fill(store, clock, 30)
    content = json.loads(await export_bytes(store, SIGNER, ME, now=clock.now()))
    assert content["checkpoints"]
    changed = copy.deepcopy(content)
    change(changed)
    file = tmp_path / "export.json"
    for value, code in ((content, 0), (changed, 1)):
        file.write_text(json.dumps(value))
        assert verify(file) == code
        assert verify(file, public_key=base64.b64encode(SIGNER.public_key).decode(), json=True) == code


@pytest.mark.asvs("16.4.2")
@pytest.mark.claim("LOG-1")
async def test_a_log_cut_and_signed_again_is_found_by_an_older_checkpoint(
    store: Store, clock: Any, tmp_path: Path
) -> None:
    """Even the holder of the log's key cannot shorten or rewrite what a kept checkpoint covers."""
    await _fill(store, clock, 8)
    short = await export_bytes(store, SIGNER, ME, now=clock.now())
    await _fill(store, clock, 8)
    kept = tmp_path / "kept.txt"
    kept.write_text(await _note(store))
    file = tmp_path / "export.json"
    file.write_bytes(short)
    assert verify(file) == 0
    assert verify(file, checkpoint=kept) == 1
    file.write_bytes(await export_bytes(store, SIGNER, ME, now=clock.now()))
    assert verify(file, checkpoint=kept) == 0


@pytest.mark.claim("LOG-1")
async def test_a_period_shows_that_its_ends_are_whole(store: Store, clock: Any) -> None:
    """A period carries a neighbour on each side; without them, or narrowed, it is refused."""
    start = clock.now()
    await _fill(store, clock, 40)
    since, until = start + timedelta(hours=10), start + timedelta(hours=20)
    data = await export_bytes(store, SIGNER, ME, now=clock.now(), since=since, until=until)
    report = verify_export(data, public_key=SIGNER.public_key)
    assert (report.faults, report.first, report.entries) == ([], 8, 12)
    content = json.loads(data)
    for key, value in (("until", None), ("since", None), ("until", (until + timedelta(hours=2)).isoformat())):
        assert not verify_export(json.dumps({**content, key: value}).encode()).good


async def test_a_period_is_compared_with_a_checkpoint_before_it(store: Store, clock: Any) -> None:
    """With the checkpoint's size named at export, its consistency proof is in the file; without it the answer is no."""
    await _fill(store, clock, 4)
    old = await _note(store)
    size = int(old.split("\n")[1])
    start = clock.now()
    await _fill(store, clock, 30)
    for named, good in ((size, True), (None, False)):
        data = await export_bytes(
            store, SIGNER, ME, now=clock.now(), since=start + timedelta(hours=20), since_size=named
        )
        assert verify_export(data, checkpoint=old).good is good


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"format":1}', b"\xff", b"[" * 100_000, b'{"format":"mailward-audit-export/1"}']
)
def test_garbage_is_refused_not_raised(data: bytes) -> None:
    """Whatever is given as an export, the answer is a report."""
    assert not verify_export(data).good


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.update(first="0"), "first: Expected `int`, got `str`"),
        (lambda c: c.update(first=10**400), "the entries do not fit the checkpoint"),
        (lambda c: c.update(workspace=None), "workspace: Expected `str`, got `null`"),
        (lambda c: c.pop("left"), "missing required field `left`"),
        (lambda c: c["entries"][2].pop("facts"), r"entries\[2\]: Object missing required field `facts`"),
        (lambda c: c.update(entries=[1]), r"entries\[0\]: Expected `object`"),
        (lambda c: c.update(anchor={"a": 1}), "anchor: Object missing"),
        (lambda c: c.update(since="yesterday"), "since: Invalid RFC3339"),
        (lambda c: c["entries"][3].update(leaf='{"v":1}'), "an entry is none of this log"),
        (lambda c: c["entries"][3].update(leaf="x"), "an entry is not JSON"),
        (lambda c: c["entries"][3].update(salt=None), "entry 3: its facts were changed"),
        (lambda c: c["left"].append("no base64!"), "is not base64"),
        (lambda c: c.update(workspace="\ud800"), "is not JSON"),
    ],
)
async def test_what_is_wrong_with_a_file_is_told_in_words(store: Store, clock: Any, change: Any, says: str) -> None:
    """An auditor reads which part of it has not its form, and never the name of a fault of ours."""
    await _fill(store, clock, 8)
    content = json.loads(await export_bytes(store, SIGNER, ME, now=clock.now()))
    change(content)
    told = "; ".join(verify_export(json.dumps(content).encode()).faults)
    assert re.search(says, told), told
    assert not re.search(r"Error|NoneType|subscriptable|Traceback", told)
    assert verify_export(b"[" * 100_000).faults[0].startswith("the file is not an intact export: it is ")


async def test_a_kept_checkpoint_that_is_none_says_nothing_of_the_export(
    store: Store, clock: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another file given by mistake is wrong use (exit 2); one of another log is told as that."""
    await _fill(store, clock, 8)
    file, kept = tmp_path / "export.json", tmp_path / "kept"
    file.write_bytes(await export_bytes(store, SIGNER, ME, now=clock.now()))
    for text in ("", "abc", file.read_text()[:500], "a\n\nb\n"):
        kept.write_text(text)
        assert verify(file, checkpoint=kept) == 2
        told = capsys.readouterr()
        assert f"{kept}: this is no checkpoint" in told.err
        assert "intact" not in told.out + told.err
    other = LogSigner(b"o" * 32)
    kept.write_text(sign_checkpoint(Checkpoint("elsewhere", 1, bytes(32)), other.public_key, other.sign))
    assert verify(file, checkpoint=kept) == 1
    told = capsys.readouterr()
    assert "FAULT: the checkpoint that was kept is none of this log" in told.out
    assert "intact" not in told.out


def test_public_keys_are_read_in_both_forms() -> None:
    """As base64 of 32 bytes, and as a verifier key."""
    assert parse_public_key(base64.b64encode(SIGNER.public_key).decode()) == SIGNER.public_key
    assert parse_public_key(str(VerifierKey("x/y", SIGNER.public_key))) == SIGNER.public_key
    for bad in ("", "AAAA", "x+y+z", "A" * 44):
        with pytest.raises(ValueError):
            parse_public_key(bad)


def test_a_file_that_is_not_there_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No errno: what is missing, and exit 2, for the export and for the kept checkpoint."""
    assert verify(tmp_path / "nope") == 2
    assert capsys.readouterr().err == f"mailward: {tmp_path / 'nope'}: there is no such file\n"
    (tmp_path / "e").write_bytes(b"{}")
    assert verify(tmp_path / "e", checkpoint=tmp_path) == 2
    assert "it is a folder" in capsys.readouterr().err
