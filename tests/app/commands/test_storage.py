"""`[storage]` in the settings, `mailward storage`, and what is refused before anything starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from mailward.adapters.host.clock import SystemClock
from mailward.adapters.storage.postgres.migrate import available, bootstrap_sql
from mailward.app.commands import config as config_command
from mailward.app.commands import storage
from mailward.app.settings import Settings, SettingsError, load
from mailward.app.stores import access_of, connections_of, migrate_database
from mailward.base.errors import Unavailable
from tests.postgres_server import PostgresServer

URL = "postgresql://mailward_app:the-password@db.example.net/mailward?sslmode=verify-full"


def settings_with(**values: str) -> Settings:
    """Settings from the environment alone."""
    environ = {f"MAILWARD_STORAGE__{k.upper()}": v for k, v in values.items()}
    return load(None, {"MAILWARD_DATA": "/nonexistent", **environ})


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"kind": "oracle"}, "storage.kind: choose from embedded, postgres"),
        ({"kind": "postgres"}, "needs the address"),
        ({"url": URL}, "set storage.kind"),
        ({"kind": "postgres", "url": URL, "node": "10000"}, "storage.node: at least 0, at most 9999"),
        ({"kind": "postgres", "url": URL, "readers": "0"}, "storage.readers: at least 1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(values: dict[str, str], why: str) -> None:
    """Each with the key and what to do."""
    with pytest.raises(SettingsError, match=why):
        settings_with(**values)


@pytest.mark.claim("TRANSIT-6")
def test_an_unverified_database_is_refused_at_the_start() -> None:
    """Without sslmode=verify-full there is no store to open, whoever asks."""
    settings = settings_with(kind="postgres", url=URL.replace("verify-full", "require"))
    with pytest.raises(SettingsError, match="verify-full"):
        access_of(settings)


def test_the_address_may_come_from_a_file(tmp_path: Path) -> None:
    """MAILWARD_STORAGE__URL_FILE holds the address with its password."""
    (tmp_path / "url").write_text(URL + "\n")
    environ = {"MAILWARD_STORAGE__KIND": "postgres", "MAILWARD_STORAGE__URL_FILE": str(tmp_path / "url")}
    assert load(None, environ | {"MAILWARD_DATA": str(tmp_path)}).storage.url == URL


def test_showing_the_settings_shows_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in lines nor as JSON: not in a URL, and no field that is called a secret."""
    for name in ("OBJECTS__SECRET_KEY", "OBJECTS__SESSION_TOKEN", "BACKUP__SECRET_KEY"):
        monkeypatch.setenv(f"MAILWARD_{name}", "the-password")
    monkeypatch.setenv("MAILWARD_STORAGE__KIND", "postgres")
    monkeypatch.setenv("MAILWARD_STORAGE__URL", URL)
    monkeypatch.setenv("MAILWARD_DATA", str(tmp_path))
    for json in (False, True):
        assert config_command.check(json=json) == 0
    shown = capsys.readouterr().out
    assert "db.example.net" in shown
    assert "the-password" not in shown


def test_bootstrap_prints_what_an_administrator_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Roles and schema, as shipped."""
    assert storage.bootstrap() == 0
    assert capsys.readouterr().out == bootstrap_sql()


async def test_migrating_an_empty_database(postgres_server: PostgresServer) -> None:
    """After an administrator's bootstrap, the owner applies every migration once; before it, the error says so."""
    admin = await asyncpg.connect(postgres_server.url("postgres", "postgres"), ssl=False)
    await admin.execute("CREATE DATABASE by_command")
    settings = settings_with(
        kind="postgres", url=postgres_server.url("mailward_app", "by_command"), plaintext="127.0.0.1",
        owner_url=postgres_server.url("mailward_owner", "by_command"),
    )  # fmt: skip
    # Roles belong to the whole server: another database of it has them made.
    await postgres_server.drop_database(await postgres_server.fresh_database())
    inside = await asyncpg.connect(postgres_server.url("postgres", "by_command"), ssl=False)
    with pytest.raises(Unavailable) as refusal:
        await migrate_database(settings, SystemClock())
    assert "bootstrap" in refusal.value.public
    await inside.execute(bootstrap_sql())
    assert len(await migrate_database(settings, SystemClock())) == len(available())
    assert await migrate_database(settings, SystemClock()) == []
    await inside.close()
    await admin.execute("DROP DATABASE by_command WITH (FORCE)")
    await admin.close()


def test_how_many_connections_a_machine_opens() -> None:
    """Workers commit, read and listen; the committing process commits and listens; behind a pooler nobody listens."""
    settings = settings_with(kind="postgres", url=URL)
    settings.server.workers = 8
    assert connections_of(settings) == 8 * 9 + 5
    settings.storage.pooler = True
    assert connections_of(settings) == 8 * 8 + 4
    settings.server.workers = 1
    assert connections_of(settings) == 8
    settings.server.workers = 8
    settings.server.roles = ["upkeep"]  # which is one worker's, whatever the setting
    assert connections_of(settings) == 8


async def test_the_doctor_counts_connections(postgres_server: PostgresServer) -> None:
    """Those of this machine, and as many for each node that lives."""
    database = await postgres_server.fresh_database()
    settings = settings_with(
        kind="postgres", url=postgres_server.url("mailward_app", database), plaintext="127.0.0.1", node="3"
    )
    for beating, nodes in ((3, 1), (5, 2)):
        owner = await asyncpg.connect(postgres_server.url("postgres", database), ssl=False)
        await owner.execute(
            "INSERT INTO mailward.worker_slots(slot, generation, started, seen) "
            "VALUES ($1, $1, 0, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)",
            beating * 10_000,
        )
        await owner.close()
        found = await asyncio.to_thread(lambda: {f.what: f for f in storage.examine_storage(settings)})
        assert f"each of {nodes} node" in found["database connections"].found
    await postgres_server.give_back(database)


def test_the_doctor_says_what_is_wrong_with_a_database_that_does_not_answer() -> None:
    """One finding, with where it looked and no password."""
    settings = settings_with(
        kind="postgres", url="postgresql://mailward_app:the-password@127.0.0.1:1/mailward", plaintext="127.0.0.1"
    )
    (finding,) = storage.examine_storage(settings)
    assert finding.state == "wrong"
    assert "127.0.0.1/mailward" in finding.found
    assert "the-password" not in str(finding)
