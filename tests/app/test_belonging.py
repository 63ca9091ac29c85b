"""A start where store, keys and bodies do not belong together is refused, and changes nothing."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.storage.objects import bucket
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.scope import ScopeGuard
from mailward.adapters.storage.sqlite.segments import SegmentWriter
from mailward.adapters.vault.vault import Vault
from mailward.app.belonging import require_no_bodies, require_own_keys
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.prepare import prepare
from mailward.app.process import supervising
from mailward.app.roles import StartError
from mailward.app.settings import Settings, load
from mailward.app.stores import is_prepared, prepare_store
from mailward.base import ids
from mailward.base.errors import Corrupt, Unavailable

Harm = Callable[[Path], None]


def settings_of(data: Path) -> Settings:
    return load(None, {"MAILWARD_SERVER__DATA": str(data), "HOME": str(data.parent)})


def start(data: Path) -> None:
    prepare(settings_of(data), lambda slot: True)


async def keep_a_body(data: Path) -> None:
    i = Installation(settings_of(data), worker=COMMAND_LINE)
    await i.open()
    try:
        (workspace,) = await i.store.system_read(lambda tx: tx.workspaces.all())
        raw = ids.decode("ws", workspace.id)
        key = await i.data_keys.seal_key(raw, i.now_us() // 86_400_000_000)
        writer = SegmentWriter(data / "segments", 0, SystemEntropy())
        writer.append([(raw, bytes(16), key, b"acknowledged")])
        writer.close()
    finally:
        await i.close()


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was started once and keeps one body."""
    data = tmp_path_factory.mktemp("used") / "data"
    start(data)
    asyncio.run(keep_a_body(data))
    return data


def without_store(data: Path) -> None:
    for path in data.glob("state.db*"):
        path.unlink()


def emptied_store(data: Path) -> None:
    without_store(data)
    (data / "state.db").touch()


def cut_store(data: Path) -> None:
    for path in data.glob("state.db-*"):
        path.unlink()
    with (data / "state.db").open("r+b") as f:
        f.truncate(100_000)


def bodies_alone(data: Path) -> None:
    without_store(data)
    shutil.rmtree(data / "keys")


def secrets_alone(data: Path) -> None:
    without_store(data)
    shutil.rmtree(data / "segments")


def without_keys(data: Path) -> None:
    shutil.rmtree(data / "keys")


def damaged(name: str) -> Harm:
    def harm(data: Path) -> None:
        path = data / "keys" / name
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)

    return harm


def without(name: str) -> Harm:
    return lambda data: (data / "keys" / name).unlink()


def of_another_installation(data: Path) -> None:
    other = data.parent / "other"
    start(other)
    without_store(data)
    shutil.copy(other / "state.db", data / "state.db")


def of_a_newer_version(data: Path) -> None:
    vault = Vault(data / "keys", SystemEntropy(), now=SystemClock().now())
    db = connect(data / "state.db", vault.database_key())
    guard = ScopeGuard(db)
    guard.enter(None, system=True)
    db.execute("INSERT INTO schema_migrations VALUES (9999, 'later', '', 0)")
    db.close()


@pytest.mark.parametrize(
    ("harm", "kind", "says"),
    [
        (without_store, StartError, r"state\.db is missing.*holds mail.*restore a backup.*Nothing was changed"),
        (emptied_store, StartError, r"state\.db is empty.*holds mail"),
        (bodies_alone, StartError, r"state\.db is missing.*holds mail"),
        (secrets_alone, StartError, r"state\.db is missing.*secrets"),
        (without_keys, StartError, r"not the keys that open it.*put .*keys back"),
        (cut_store, Unavailable, "storage_unavailable"),
        (of_another_installation, Unavailable, "not readable with this key"),
        (damaged("root.wrapped"), Corrupt, r"root\.wrapped"),
        (damaged("audit-log.wrapped"), Corrupt, r"audit-log\.wrapped"),
        (damaged("database.wrapped"), Corrupt, r"database\.wrapped"),
        (without("root.wrapped"), StartError, r"lacks root\.wrapped"),
        (without("master.key"), Unavailable, r"master\.key is missing"),
    ],
)
def test_what_does_not_belong_together_is_not_started(
    used: Path, tmp_path: Path, harm: Harm, kind: type[Exception], says: str
) -> None:
    """Neither segments nor keys nor the store are touched; what is as it was starts."""
    data = tmp_path / "data"
    shutil.copytree(used, data)
    start(data)
    harm(data)

    def held() -> dict[str, bytes]:
        files = [p for p in data.rglob("*") if p.is_file() and p.parent.name in ("keys", "segments")]
        return {str(p.relative_to(data)): p.read_bytes() for p in files if not p.name.startswith(".")}

    before, store = held(), (data / "state.db").exists()
    with pytest.raises(kind, match=says):
        start(data)
    assert held().items() >= before.items()
    assert (data / "state.db").exists() == store


def test_an_empty_file_is_not_opened_by_commands(used: Path, tmp_path: Path) -> None:
    """They say that there is no installation, instead of making a store out of it."""
    data = tmp_path / "data"
    shutil.copytree(used, data)
    assert is_prepared(settings_of(data))
    emptied_store(data)
    assert not is_prepared(settings_of(data))


@pytest.mark.parametrize("reached", ["key file", "database's key", "database"])
def test_a_first_start_that_was_broken_off_can_be_made_again(tmp_path: Path, reached: str) -> None:
    """Wherever it was: an empty segment that was made before it is no mail."""
    data = tmp_path / "data"
    settings, clock = settings_of(data), SystemClock()
    vault = Vault(data / "keys", SystemEntropy(), now=clock.now())
    if reached != "key file":
        vault.database_key()
    if reached == "database":
        prepare_store(settings, vault, clock)
    (data / "segments").mkdir(exist_ok=True)
    (data / "segments" / "0000-00000001.seg").write_bytes(bytes(4096))
    start(data)


def test_a_new_store_is_not_used_beside_bodies(used: Path, tmp_path: Path) -> None:
    """A store with its schema and nothing in it, as an empty PostgreSQL is, leaves bodies of another one alone."""
    data = tmp_path / "data"
    settings, clock = settings_of(data), SystemClock()
    prepare_store(settings, Vault(data / "keys", SystemEntropy(), now=clock.now()), clock)
    shutil.rmtree(data / "segments", ignore_errors=True)
    shutil.copytree(used / "segments", data / "segments")
    with pytest.raises(StartError, match=r"nothing was ever kept in the database, but .*segments holds mail"):
        start(data)
    shutil.rmtree(data / "segments")
    start(data)


@pytest.mark.parametrize("held", ["mail", "nothing", "silence"])
async def test_a_new_store_is_not_used_beside_a_bucket_with_bodies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    """Nor beside one that does not answer: whether it is empty is not known."""

    class Listed:
        async def list(self, prefix: str, *, chunk: int) -> AsyncIterator[list[bucket.Entry]]:
            assert prefix == "segments/"
            if held == "silence":
                raise bucket.Unclear("no answer")
            if held == "mail":
                yield [bucket.Entry("segments/20261123/000001/0000001", 9, datetime.now(UTC))]

    monkeypatch.setattr(bucket, "open_bucket", lambda place: Listed())
    settings = settings_of(tmp_path / "data")
    settings.objects.url = "s3://bucket/mail"
    i: Any = SimpleNamespace(settings=settings)
    if held == "nothing":
        await require_no_bodies(i)
    else:
        kind, says = (StartError, "s3://bucket/mail holds mail") if held == "mail" else (Unavailable, "unavailable")
        with pytest.raises(kind, match=says):
            await require_no_bodies(i)


async def test_a_store_of_another_installation_is_noticed(used: Path, tmp_path: Path) -> None:
    """By its data keys, which our key file does not open: of PostgreSQL nothing else would tell."""
    i = Installation(settings_of(used), worker=COMMAND_LINE)
    await i.open()
    try:
        await require_own_keys(i)
        i.vault = Vault(tmp_path / "keys", SystemEntropy(), now=i.clock.now())
        with pytest.raises(StartError, match="belongs to another installation"):
            await require_own_keys(i)
    finally:
        await i.close()


@pytest.mark.parametrize("harm", [without_store, cut_store, damaged("root.wrapped"), of_a_newer_version])
def test_up_ends_with_the_code_of_what_cannot_start(used: Path, tmp_path: Path, harm: Harm) -> None:
    """Code 3 and one sentence, whatever of store and keys it is, before any worker is started."""
    data = tmp_path / "data"
    shutil.copytree(used, data)
    harm(data)
    config = tmp_path / "mailward.toml"
    config.write_text(
        f'[server]\ndata = "{data}"\nuser = ""\n[http]\nlisten = ["127.0.0.1:0"]\nmetrics = ""\n'
        '[submission]\nstarttls = ["127.0.0.1:0"]\n[mx]\nlisten = []\n'
    )
    done = subprocess.run(
        supervising(str(config), []), capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
    )
    assert done.returncode == 3
    assert done.stderr.startswith("mailward: ") and "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if not line.startswith("{")]) == 1
    assert "worker_started" not in done.stdout + done.stderr
