"""Backups of a store with rows in every table and real bodies: made, kept, removed, tried and restored."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mailward.adapters.storage.backup.access import Access, taken_since
from mailward.adapters.storage.backup.folder import FolderShelf
from mailward.adapters.vault.vault import Vault
from mailward.app.backups.making import backup_actor, make, prune
from mailward.app.backups.place import KEYS, MANIFESTS, PARTS, Files, backups_in, working
from mailward.app.backups.restoring import restore
from mailward.app.backups.trying import look_over, try_newest
from mailward.app.checks.backups import backups_are_whole_and_sealed, the_newest_backup_was_restored
from mailward.app.commands import backup as backup_command
from mailward.app.installation import Installation
from mailward.app.roles import StartError
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.errors import Conflict, Corrupt, Unavailable
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.backup.model import KEY_COPIES_KEPT
from mailward.core.evidence.model import Result
from mailward.core.identity import people
from mailward.core.identity.credentials import Wish, create_key, revoke_key
from mailward.core.identity.model import User
from mailward.core.workspaces.model import Workspace, WorkspaceSettings
from mailward.policy.access import IN_WORKSPACE, Actor, Role
from tests.app.backups.backups_rig import DAY, NOW, House


@pytest.mark.claim("AVAIL-5")
@pytest.mark.claim("AVAIL-6")
async def test_a_hundred_days(house: House) -> None:
    """One a day, none past ninety days, tried each week, segments written once, and none opens without its key."""
    for n in range(101):
        assert await house.day(n) == []
        if n % 10 == 0:
            assert await house.day(n + 0.5) == []
    kept = await house.i.store.system_read(lambda tx: tx.backups.kept())
    assert [b.at for b in kept] == [NOW + n * DAY for n in range(100, 9, -1)]
    assert await backups_in(house.shelf) == sorted(b.id for b in kept)
    tests = await house.i.store.system_read(lambda tx: tx.backups.tests(100))
    assert [t.at for t in tests] == [NOW + n * DAY for n in range(98, -1, -7)]
    assert all(t.good for t in tests)
    assert tests[0].opened > 0
    segments = [name for name in house.names(PARTS) if "database" not in name]
    assert len(segments) == len(list((house.data / "segments").glob("*.seg")))
    assert len(house.names(KEYS)) == KEY_COPIES_KEPT.days + 1
    for check in (backups_are_whole_and_sealed, the_newest_backup_was_restored):
        assert (await check(house.at(100))).result is Result.PASSED, (await check(house.at(100))).evidence
    other = Vault(house.data.parent / "other", house.i.entropy, now=NOW)
    files = Files(house.shelf, other, house.i.entropy, house.data.parent)
    master = house.kept_key.read_bytes()
    # Sixteen octets of each: so many do not come about by chance in what is encrypted, as four do now and then.
    heads = [path.read_bytes()[:16] for path in (house.data / "segments").glob("*.seg")]
    assert heads and all(head.startswith(b"MWS1") and len(head) == 16 for head in heads)
    for path in house.place.rglob("*.*"):
        octets = path.read_bytes()
        assert b"SQLite format" not in octets
        assert not any(head in octets for head in heads)
        assert master[60:90] not in octets
    for part in (await Files(house.shelf, house.i.vault, house.i.entropy, house.data).manifest(kept[0].id)).parts:
        with pytest.raises(Corrupt):
            await files.get(part, None)


@pytest.mark.claim("AVAIL-6")
async def test_a_corrupted_backup_is_found_and_replaced(house: House) -> None:
    """The next test finds one flipped bit, alerts and turns the check red; the next visit makes a backup without it."""
    await house.day(0)
    segment = next(p for p in (house.place / PARTS).iterdir() if "database" not in p.name)
    octets = bytearray(segment.read_bytes())
    octets[len(octets) // 2] ^= 1
    segment.write_bytes(octets)
    id, faults = await look_over(house.i, house.shelf, None)
    assert len(faults) == 1
    assert segment.name in faults[0]
    assert any(segment.name in line for line in await house.day(7))
    alerts = await house.i.store.system_read(lambda tx: tx.guard.alerts(before=None, limit=50))
    assert [a.rule for a in alerts if a.at == NOW + 7 * DAY] == ["backup-unusable"]
    assert (await the_newest_backup_was_restored(house.at(7))).result is Result.FAILED
    assert await house.day(7.1) == []
    assert (await the_newest_backup_was_restored(house.at(7.1))).result is Result.PASSED
    assert (await look_over(house.i, house.shelf, None))[1] == []
    assert (await look_over(house.i, house.shelf, id))[1] != []


@pytest.mark.claim("AVAIL-5")
async def test_a_crash_leaves_no_half_backup(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it ends, there is no backup of that name; what was written goes a day later; the next one is whole."""
    stopped = 0
    while True:
        steps = iter(range(1000))

        def dying(name: str, *rest: object, limit: int = stopped, steps: object = steps) -> None:
            if next(steps) == limit:  # type: ignore[call-overload]
                raise KeyboardInterrupt
            return FolderShelf._create(house.shelf, name, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(house.shelf, "_create", dying)
        try:
            await make(house.i, house.shelf, backup_actor(), now=NOW)
            break
        except KeyboardInterrupt:
            stopped += 1
            assert await backups_in(house.shelf) == []
        finally:
            monkeypatch.undo()
    assert stopped >= 4
    (house.place / PARTS / ".half.mwb.unfinished").write_bytes(b"x")
    assert await house.day(1.5) == []
    assert len(await backups_in(house.shelf)) == 2
    assert len(house.names(PARTS)) == len(list((house.data / "segments").glob("*.seg"))) + 2
    assert (await look_over(house.i, house.shelf, None))[1] == []


@pytest.mark.claim("AVAIL-6")
async def test_a_fresh_machine_with_the_kept_key(house: House) -> None:
    """Everything comes back on an empty folder; another key opens nothing, and nothing is ever written over."""
    await house.day(0)
    other = house.data.parent / "other"
    Vault(other, house.i.entropy, now=NOW).database_key()
    with pytest.raises((Corrupt, Unavailable)):
        await restore(house.fresh(), house.shelf, other / "master.key", backup=None, damaged=False)
    done = await restore(house.fresh(), house.shelf, house.kept_key, backup=None, damaged=False)
    assert (done.in_place, done.found.faults) == (True, [])
    assert done.found.opened > 0
    assert done.found.opened + done.found.over == done.found.bodies
    again = Installation(house.fresh(), worker=0)
    await again.open()
    assert await again.store.system_read(lambda tx: tx.counters.all())
    await again.close()
    assert not (again.settings.data / ".restoring").exists()
    with pytest.raises(StartError, match="overwrites nothing"):
        await restore(house.fresh(), house.shelf, house.kept_key, backup=None, damaged=False)
    assert (house.data.parent / "fresh" / "keys" / "master.key").stat().st_mode & 0o077 == 0


@pytest.mark.claim("PRIVACY-1")
async def test_a_destroyed_data_key_is_gone_from_old_backups(house: House) -> None:
    """An old backup opens nothing of a key that was destroyed since: the newest copy of the keys decides."""
    await house.day(0)
    first = (await backups_in(house.shelf))[0]
    db = house.filled.open()
    with db:
        db.execute("UPDATE t_data_keys SET wrapped = NULL, destroyed = 1")
    db.close()
    await house.day(1)
    done = await restore(house.fresh(), house.shelf, house.kept_key, backup=first, damaged=False)
    assert (done.found.opened, done.found.over) == (0, done.found.bodies)
    assert done.found.bodies > 0
    for name in house.names(KEYS)[:-1]:
        os.unlink(house.place / KEYS / name)
    files = Files(house.shelf, house.i.vault, house.i.entropy, house.data)
    assert all(row[3] is None for row in (await files.newest_keys()).rows)


async def test_what_was_taken_away_since_stays_taken(house: House) -> None:
    """A key, a place and a person ended after the backup do not come back with it, as the newest copy of the keys
    knows; what is as it was stays."""
    i = house.i
    workspace = WorkspaceId(ids.new("ws", NOW, i.entropy))
    shell = Actor(workspace, "cli", "cli", IN_WORKSPACE)
    roles = {"olive": Role.MANAGER, "ada": Role.MANAGER, "eve": Role.ADMIN, "rob": Role.MEMBER}

    async def begin(tx: Tx) -> tuple[dict[str, UserId], list[str]]:
        await tx.workspaces.insert(Workspace(workspace, "Ours", NOW, WorkspaceSettings()))
        found = {}
        for name, role in roles.items():
            user = User(UserId(ids.new("usr", NOW, i.entropy)), f"{name}@example.org", name, "$none", NOW)
            await tx.people.add_user(user)
            await people.add_member(tx, shell, user, role, now=NOW)
            found[name] = user.id
        made = [await create_key(tx, shell, Wish(name), now=NOW, entropy=i.entropy) for name in ("stays", "goes")]
        return found, [issued.credential.id for issued in made]

    who, (stays, goes) = await i.store.system_write(begin)
    await house.day(0)
    (first,) = await backups_in(house.shelf)

    async def take(tx: Tx) -> None:
        await revoke_key(tx, shell, goes, now=NOW)
        await people.change_role(tx, shell, who["ada"], Role.MEMBER, now=NOW)
        await people.remove_member(tx, shell, who["eve"], now=NOW)
        await people.disable_user(tx, shell, who["rob"], now=NOW)

    await i.store.system_write(take)
    await house.day(1)
    settings = house.fresh()
    done = await restore(settings, house.shelf, house.kept_key, backup=first, damaged=False)
    assert done.in_place and (done.taken_away.places, done.taken_away.people) == (2, 1)
    again = Installation(settings, worker=0)
    await again.open()

    async def left(tx: Tx) -> tuple[dict[str, Role], list[bool], bool]:
        held = {m.name: m.role for m in await tx.people.members(workspace) if m.user in who.values()}
        keys = [(c := await tx.credentials.get(id)) is not None and c.revoked is None for id in (stays, goes)]
        rob = await tx.people.user(who["rob"])
        return held, keys, rob is not None and rob.disabled is not None

    held, keys, disabled = await again.store.system_read(left)
    assert held == {"olive": Role.MANAGER, "ada": Role.MEMBER, "rob": Role.MEMBER}
    assert (keys, disabled) == ([True, False], True)
    await again.close()


def test_what_is_gone_is_told_from_two_moments() -> None:
    """A place that is another role's is in it with that role; of what nobody kept nothing is taken, unless asked."""
    then = Access([(b"w", b"1", "key"), (b"w", b"2", "smtp")], [(b"w", b"u", "workspace_manager")], [b"u"], [b"u"])
    later = Access([(b"w", b"2", "smtp"), (b"w", b"3", "key")], [(b"w", b"u", "member")], [b"u", b"v"], [])
    assert taken_since(then, later) == Access([(b"w", b"1", "key")], [(b"w", b"u", "member")], [], [b"u"])
    assert taken_since(then, None) == Access([], [], [], [])
    assert taken_since(then, None, every_credential=True).credentials == then.credentials


async def test_a_damaged_backup_is_restored_only_when_asked(house: House) -> None:
    """Without a segment nothing is put in place; with --damaged the rest is."""
    await house.day(0)
    next(p for p in (house.place / PARTS).iterdir() if "database" not in p.name).unlink()
    refused = await restore(house.fresh(), house.shelf, house.kept_key, backup=None, damaged=False)
    assert (refused.in_place, len(refused.found.bad)) == (False, 1)
    assert not (house.fresh().data / "state.db").exists()
    taken = await restore(house.fresh(), house.shelf, house.kept_key, backup=None, damaged=True)
    assert taken.in_place
    assert (house.fresh().data / "state.db").exists()


async def _listed(house: House, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Any]:
    """What `mailward backup list --json` says, and its exit code."""
    shown: list[Any] = []
    with monkeypatch.context() as patched:
        patched.setattr(
            backup_command, "run", lambda config, workspace, act: act(SimpleNamespace(installation=house.i))
        )
        patched.setattr(backup_command, "print_json", shown.append)
        code = await cast("Awaitable[int]", backup_command.list_(json=True))
    return code, shown[0]["damaged"]


@pytest.mark.claim("AVAIL-5")
async def test_one_changed_octet_is_found_wherever_it_is(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each part of the newest backup, its database and its data keys included: the check is red, `backup list` names
    it and exits with 1. Of an earlier one a part that is gone or cut is named, and the check stays green."""
    first = (await make(house.i, house.shelf, backup_actor(), now=NOW - DAY)).id
    newest = await make(house.i, house.shelf, backup_actor(), now=NOW)
    manifest = await Files(house.shelf, house.i.vault, house.i.entropy, house.data).manifest(newest.id)
    assert (await backups_are_whole_and_sealed(house.at(0))).result is Result.PASSED
    assert await _listed(house, monkeypatch) == (0, {})
    for part in (*manifest.parts, manifest.data_keys):
        path = house.place / part.name
        octets = path.read_bytes()
        for at in (0, len(octets) // 2, len(octets) - 1):
            path.write_bytes(octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :])
            assert (await backups_are_whole_and_sealed(house.at(0))).result is Result.FAILED, (part.name, at)
        code, damaged = await _listed(house, monkeypatch)
        assert (code, list(damaged)) == (1, [newest.id])
        assert part.name in damaged[newest.id][0]
        path.write_bytes(octets)
    database = next(p for p in (house.place / PARTS).iterdir() if first in p.name and "database" in p.name)
    database.write_bytes(database.read_bytes()[:-1])
    assert await _listed(house, monkeypatch) == (1, {first: [f"{PARTS}{database.name} is cut off or longer"]})
    found = await backups_are_whole_and_sealed(house.at(0))
    assert (found.result, "1 earlier ones are damaged" in found.evidence) == (Result.PASSED, True)
    assert not list((house.data / "backup").glob("looking-*"))


@pytest.mark.claim("AVAIL-5")
async def test_what_turns_the_checks_red(house: House) -> None:
    """None made, a missed day, one past its term, a part that is gone, a strange manifest, a place that is away."""
    look, tried = backups_are_whole_and_sealed, the_newest_backup_was_restored
    to, house.settings.backup.to = house.settings.backup.to, ""
    for check in (look, tried):
        assert (await check(house.at(0))).result is Result.NOT_CONFIGURED
    house.settings.backup.to = to
    assert "no backup" in (await look(house.at(0))).evidence
    assert (await tried(house.at(0))).result is Result.NOT_CONFIGURED
    await make(house.i, house.shelf, backup_actor(), now=NOW)
    assert (await look(house.at(1))).result is Result.PASSED
    assert (await tried(house.at(1))).result is Result.NOT_CONFIGURED
    assert "was ever restored" in (await tried(house.at(1.2))).evidence
    assert "one was missed" in (await look(house.at(1.2))).evidence
    await try_newest(house.i, house.shelf, backup_actor(), now=NOW)
    assert (await tried(house.at(8))).result is Result.PASSED
    assert "is due every 7" in (await tried(house.at(8.2))).evidence
    await make(house.i, house.shelf, backup_actor(), now=NOW + 95 * DAY)
    assert "past their term" in (await look(house.at(95))).evidence
    await prune(house.i, house.shelf, backup_actor(), now=NOW + 95 * DAY)
    assert (await look(house.at(95))).result is Result.PASSED
    gone = next(p for p in (house.place / PARTS).iterdir() if "database" in p.name)
    gone.rename(house.place / "elsewhere")
    assert "missing, cut off or changed" in (await look(house.at(95))).evidence
    (house.place / "elsewhere").rename(gone)
    manifest = next((house.place / MANIFESTS).iterdir())
    manifest.write_bytes(manifest.read_bytes().replace(b'"schema":', b'"schema":1'))
    assert "were changed" in (await look(house.at(95))).evidence
    house.place.rename(house.place.with_name("away"))
    assert "cannot be read" in (await look(house.at(95))).evidence
    assert await house.day(96) != []
    alerts = await house.i.store.system_read(lambda tx: tx.guard.alerts(before=None, limit=50))
    assert "backup-missing" in [a.rule for a in alerts if a.at == NOW + 96 * DAY]


async def test_one_at_a_time(house: House) -> None:
    """While one works, another is told so and touches nothing."""
    with working(house.data) as scratch:
        (scratch / "mine").write_bytes(b"x")
        with pytest.raises(Conflict):
            await make(house.i, house.shelf, backup_actor(), now=NOW)
        assert (scratch / "mine").exists()
