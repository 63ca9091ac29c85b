"""Moving house between two installations' settings: who may start, with which keys, and what came of it."""

from __future__ import annotations

import contextlib
import hmac
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.storage.moving.bodies import Bodies, BucketBodies, FolderBodies
from mailward.adapters.storage.moving.compare import BodyCheck, TableCheck, compare_bodies, compare_table
from mailward.adapters.storage.moving.database import InUse, PostgresSide
from mailward.adapters.storage.moving.embedded import EmbeddedSide
from mailward.adapters.storage.moving.move import Carriage, NotEmpty, Tell, begin, copy, finish, tables_of
from mailward.adapters.storage.moving.side import Step, Target
from mailward.adapters.storage.moving.tables import OF_A_PLACE, TABLES, Table
from mailward.adapters.storage.postgres.sealed import FieldCipher
from mailward.adapters.vault.vault import Vault
from mailward.app.objects import place_of
from mailward.app.roles import ORDER, Hold, StartError
from mailward.app.settings import Settings, SettingsError
from mailward.app.stores import access_of, is_prepared, migrate_database, prepare_store
from mailward.core.workspaces.data_keys import aad
from mailward.core.workspaces.model import DataKey

# The number under which a move writes segment files: no worker and no other command has it.
_WRITER = 9998


class Outcome(msgspec.Struct, kw_only=True):
    """What a move, or a look at one, found."""

    tables: dict[str, TableCheck]
    bodies: BodyCheck
    left_behind: dict[str, int]
    """Rows that were not carried over on purpose, by table."""
    check: str
    finished: bool
    """The target may be used."""

    @property
    def faithful(self) -> bool:
        """What arrived is what left."""
        return all(t.equal for t in self.tables.values()) and not self.bodies.different

    @property
    def good(self) -> bool:
        """Faithful, and nothing was damaged before."""
        return self.faithful and self.bodies.good


class _Side(msgspec.Struct):
    store: Target
    bodies: Bodies
    vault: Vault


def check_pair(source: Settings, target: Settings) -> None:
    """SettingsError unless these two can be source and target of a move."""
    if source.storage.kind == target.storage.kind:
        raise SettingsError(
            f"--from and --to both say storage.kind = {source.storage.kind!r}: "
            "a move is from embedded to postgres or back"
        )
    for settings in (source, target):
        if settings.storage.pooler:
            raise SettingsError("storage.pooler: a move needs the database's own address, not that of a pooler")


@contextlib.contextmanager
def held(source: Settings, target: Settings) -> Iterator[None]:
    """Every role on both data folders, so that no platform runs there. StartError when one does."""
    if not is_prepared(source):
        raise StartError(f"there is no installation in {source.data}")
    holds: list[Hold] = []
    try:
        for folder in dict.fromkeys((source.data.resolve(), target.data.resolve())):
            holds.append(Hold(folder, ORDER, patience=0.0))
            holds[-1].started()
        yield
    finally:
        for hold in holds:
            hold.release()


def share_keys(source: Settings, target: Settings) -> None:
    """Give the target's data folder the source's keys when it has none; StartError when it has others.

    Data keys, signing keys and tokens are wrapped by them: with other keys nothing that
    moves could be opened.
    """
    ours, theirs = source.data / "keys", target.data / "keys"
    if ours.resolve() == theirs.resolve():
        return
    entropy, now = SystemEntropy(), SystemClock().now()
    a = Vault(ours, entropy, now=now)
    proof = a.derive("moving-house")
    if not (theirs / "master.key").exists():
        _copy_folder(ours, theirs)
        if (source.data / "tls").is_dir() and not (target.data / "tls").exists():
            _copy_folder(source.data / "tls", target.data / "tls")
    b = Vault(theirs, entropy, now=now)
    if not hmac.compare_digest(proof, b.derive("moving-house")):
        raise StartError(f"the keys in {theirs} are not those in {ours}: give the target a data folder without keys")
    if missing := set(a.service.versions) - set(b.service.versions):
        raise StartError(f"{theirs} lacks version {min(missing)} of the key-encryption key: copy master.key again")


def _copy_folder(source: Path, target: Path) -> None:
    """Whole or not at all."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    making = target.with_name(f".{target.name}.new")
    shutil.rmtree(making, ignore_errors=True)
    shutil.copytree(source, making)
    making.chmod(0o700)
    making.rename(target)


async def run(source: Settings, target: Settings, tell: Tell, *, every: bool, only_verify: bool) -> Outcome:
    """Move what has not arrived, compare, and note that it is finished when all is there.

    StartError when one of the two cannot be used now. Call it under `held` and after `share_keys`.
    """
    clock = SystemClock()
    try:
        async with _open(source, writes=False, clock=clock) as a:
            if not only_verify:
                await _prepare(target, clock)
            async with _open(target, writes=True, clock=clock) as b:
                carriage = Carriage(a.bodies, b.bodies)
                if only_verify:
                    return await _compare(a, b, carriage, tell, every=every)
                begun, steps = await begin(a.store, b.store, now_us=_now(clock))
                if begun.finished is None:
                    await copy(a.store, b.store, carriage, steps, tell)
                    if await a.store.fingerprint() != begun.source:
                        raise NotEmpty("the source was used while it was copied: empty the target and begin again")
                outcome = await _compare(a, b, carriage, tell, every=every)
                if outcome.faithful and begun.finished is None:
                    await finish(b.store, begun, steps, now_us=_now(clock))
                outcome.finished = outcome.faithful or begun.finished is not None
                return outcome
    except (InUse, NotEmpty) as e:
        raise StartError(str(e)) from e


async def _prepare(target: Settings, clock: SystemClock) -> None:
    """The target's schema, made or brought up to date where this may be done from here."""
    if target.storage.kind == "embedded":
        prepare_store(target, Vault(target.data / "keys", SystemEntropy(), now=clock.now()), clock)
    elif target.storage.owner_url:
        await migrate_database(target, clock)


@contextlib.asynccontextmanager
async def _open(settings: Settings, *, writes: bool, clock: SystemClock) -> AsyncIterator[_Side]:
    entropy = SystemEntropy()
    vault = Vault(settings.data / "keys", entropy, now=clock.now())
    folder = settings.data / "segments"
    if settings.storage.kind == "embedded":
        make = EmbeddedSide.target if writes else EmbeddedSide.source
        store = make(settings.data, vault.database_key())
        bodies: Bodies = FolderBodies(folder, writer=_WRITER if writes else None, entropy=entropy)
        try:
            yield _Side(store, bodies, vault)
        finally:
            await bodies.close()
            store.close()
        return
    cipher = FieldCipher(vault.derive, entropy)
    side = await PostgresSide.open(access_of(settings), cipher, snapshot=not writes)
    try:
        place = place_of(settings.objects)
        writer = await side.body_writer() if writes else 0
        if place is None:
            bodies = FolderBodies(folder, writer=writer if writes else None, entropy=entropy)
        else:
            from mailward.adapters.storage.objects.bucket import open_bucket
            from mailward.adapters.storage.objects.limits import Limits
            from mailward.adapters.storage.objects.place import check_place

            bodies = BucketBodies(
                open_bucket(check_place(place)),
                place=settings.objects.url,
                writer=writer,
                clock=clock,
                entropy=entropy,
                limits=Limits(uploads=settings.objects.uploads, deadline=settings.objects.deadline_seconds),
            )
        try:
            yield _Side(side, bodies, vault)
        finally:
            await bodies.close()
    finally:
        await side.close()


async def _compare(source: _Side, target: _Side, carriage: Carriage, tell: Tell, *, every: bool) -> Outcome:
    checks = {t.name: await compare_table(source.store, target.store, t, tell) for t in tables_of(carriage)}
    same = [t for t in tables_of(carriage) if t.body and checks[t.name].equal]
    keys = _DataKeys(target)
    await keys.load()
    bodies = await compare_bodies(source.store, target.store, same, carriage, keys.open, tell, every=every)
    left = {name: check.left_behind for name, check in checks.items() if check.left_behind}
    if not carriage.stays:
        for table in TABLES:
            if table.name in OF_A_PLACE and (rows := await source.store.count(table)):
                left[table.name] = rows
    return Outcome(tables=checks, bodies=bodies, left_behind=left, check="all" if every else "sample", finished=False)


class _DataKeys:
    """The target's data keys, opened with the target's keys."""

    def __init__(self, side: _Side) -> None:
        self._side = side
        self._wrapped: dict[tuple[bytes, int, int], bytes | None] = {}
        self._opened: dict[tuple[bytes, int, int], DataKey] = {}

    async def load(self) -> None:
        """Read them."""
        table = next(t for t in TABLES if t.name == "data_keys")
        async for page in self._side.store.pages(table, None, 1000):
            for _, row in page.rows:
                self._wrapped[row[0], row[1], row[2]] = row[table.at("wrapped")]

    async def open(self, workspace: bytes, day: int, version: int) -> DataKey | None:
        """One of them; None when it was destroyed or never was."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        place = (workspace, day, version)
        wrapped = self._wrapped.get(place)
        if wrapped is None:
            return None
        if place not in self._opened:
            plain = self._side.vault.service.unwrap_now(wrapped, aad(*place))
            self._opened[place] = DataKey(day, version, AESGCM(plain))
        return self._opened[place]


def _now(clock: SystemClock) -> int:
    return int(clock.now().timestamp() * 1_000_000)


__all__ = ["Outcome", "Step", "Table", "check_pair", "held", "run", "share_keys"]
