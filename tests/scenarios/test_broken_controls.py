"""Controls broken in an installation that runs, as an operator or an attacker would: each turns its own line red alone.

Two installations serve the module: one on the embedded store, and one on PostgreSQL. A defect is made behind the
program's back (a file's mode, a file, SQL as whoever holds the key or owns the database, the environment), the checks
of `mailward verify` run, and the lines that fail are exactly the one that speaks of it; repaired, none does.

Checks that search every file, or drive a limit to its end, take seconds. They run where everything is broken at once:
a line too many would be seen there just as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailward.adapters.storage.sqlite.connection import connect
from mailward.app.checks import CHECKS
from mailward.app.context import Context, choose, cli_actor
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.settings import load
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.errors import Unavailable
from mailward.base.ids import UserId
from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.model import State
from mailward.core.evidence.verify import verify
from mailward.core.identity import passwords
from mailward.core.identity.credentials import REHEARSAL
from mailward.core.identity.model import Factor, FactorKind, User
from mailward.core.operators import register
from tests.postgres_server import PostgresServer
from tests.scenarios.peers import stop, wait_until
from tests.scenarios.platform import Platform, toml

SLOW = frozenset(
    ("REST-1", "KEYS-1", "KEYS-2", "KEYS-3", "AUTHZ-1", "INPUT-1", "INPUT-2", "INPUT-3", "TRANSIT-2", "AUTHN-5",
     "AUTHN-6", "AUTHN-9", "PRIVACY-1", "RATE-1", "RATE-2", "EMAIL-2")
)  # fmt: skip
QUICK = [c for c in CATALOGUE if c.id not in SLOW]
# What an administrator may write into the system's OpenSSL configuration for the sake of a small device.
WEAKER = """openssl_conf = init
[init]
ssl_conf = tls
[tls]
system_default = everything
[everything]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
Ciphersuites = TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_8_SHA256
"""


def write_pair(folder: Path, *, ends: datetime) -> None:
    """A certificate of the operator's own with its key, where the settings look for them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.org")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(ends - timedelta(days=90)).not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "own.key").write_bytes(key.private_bytes(pem, *plain))
    (folder / "own.pem").write_bytes(made.public_bytes(pem))


def shown(port: int) -> datetime:
    """When the certificate ends that a newcomer is shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc


@dataclass
class House:
    """An installation that runs, and what stands behind its doors."""

    platform: Platform
    certificates: Path = Path()
    """Where the operator keeps their own."""
    backups: Path = Path()
    """Where copies go."""

    @cached_property
    def key(self) -> bytes:
        """Of the database, as whoever once read the key file has it."""
        return self.open().vault.database_key()

    def open(self, **more: Any) -> Installation:
        """As the operator's shell opens it."""
        return Installation(load(str(self.platform.config), {}), worker=COMMAND_LINE + 902, **more)

    @contextmanager
    def behind(self) -> Iterator[Any]:
        """The database of the embedded store, as somebody sees it who holds its key; triggers are gone meanwhile."""
        db = connect(self.platform.data / "state.db", self.key)
        db.set_busy_timeout(10_000)
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        try:
            for name, _ in triggers:
                db.execute(f"DROP TRIGGER {name}")
            yield db
            for _, sql in triggers:
                db.execute(str(sql))
        finally:
            db.close()

    @contextmanager
    def rows_gone(self, table: str) -> Iterator[None]:
        """The rows of a table are not there; afterwards they are again."""
        with self.behind() as db:
            rows = db.execute(f"SELECT * FROM {table}").fetchall()
            assert rows, f"{table} holds nothing that could be missing"
            db.execute(f"DELETE FROM {table}")
        yield
        with self.behind() as db:
            db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    async def lines(self, context: Context, chosen: list[Any]) -> dict[str, str]:
        """What fails of these promises, with what was seen."""
        checks = {c.id: CHECKS[c.id] for c in chosen if c.id in CHECKS}
        found = await verify(chosen, checks, context, now=context.clock.now())
        return {line.id: "; ".join(line.evidence) for line in found if line.state is State.FAILING}


async def furnish(context: Context) -> None:
    """An operator with a second factor, as the command line and the dashboard would have made one."""
    i, now = context.installation, context.clock.now()
    user = User(UserId(ids.new("usr", now, i.entropy)), "ops@example.org", "Ops", passwords.NOBODY, now)
    factor = Factor(ids.new("fac", now, i.entropy), user.id, FactorKind.TOTP, "phone", i.entropy.bytes(40), now)

    async def add(tx: Tx) -> None:
        await tx.people.add_user(user)
        await register.add(tx, cli_actor(context.actor.workspace, "operator add"), user.email, now=now)
        await tx.factors.add(factor)

    await context.store.system_write(add)


# -- what is broken -------------------------------------------------------------------------------


@contextmanager
def key_file_for_everybody(house: House) -> Iterator[None]:
    """`chmod -R a+r` of the folder of keys."""
    path = house.platform.data / "keys" / "master.key"
    path.chmod(0o644)
    yield
    path.chmod(0o600)


@contextmanager
def certificate_expired(house: House) -> Iterator[None]:
    """The operator's own certificate, whose renewal nobody saw to."""
    folder, port = house.certificates, house.platform.implicit_port
    before = shown(port)
    now = datetime.now(UTC).replace(microsecond=0)
    write_pair(folder, ends=now - timedelta(minutes=1))
    wait_until(lambda: shown(port) < now, "the expired certificate to be shown")
    yield
    write_pair(folder, ends=before)
    wait_until(lambda: shown(port) == before, "a good certificate to be shown")


@contextmanager
def audit_row_tampered_with(house: House) -> Iterator[None]:
    """The log says from now on that a credential was not made, but revoked."""
    change = "UPDATE t_audit SET leaf = ? WHERE workspace = ? AND seq = ?"
    with house.behind() as db:
        found = "SELECT workspace, seq, leaf FROM t_audit WHERE instr(leaf, CAST('credential.created' AS BLOB)) LIMIT 1"
        ((workspace, seq, leaf),) = db.execute(found).fetchall()
        db.execute(change, (leaf.replace(b"credential.created", b"credential.revoked"), workspace, seq))
    yield
    with house.behind() as db:
        db.execute(change, (leaf, workspace, seq))


@contextmanager
def backups_missing(house: House) -> Iterator[None]:
    """The place of backups was emptied."""
    away = house.backups.with_name("elsewhere")
    house.backups.rename(away)
    house.backups.mkdir()
    yield
    house.backups.rmdir()
    away.rename(house.backups)


@contextmanager
def backup_changed(house: House) -> Iterator[None]:
    """One octet in the middle of the newest copy of the database, as a disk that rots."""
    part = max((house.backups / "parts").glob("*-database.mwb"))
    octets = part.read_bytes()
    middle = len(octets) // 2
    part.write_bytes(octets[:middle] + bytes((octets[middle] ^ 1,)) + octets[middle + 1 :])
    yield
    part.write_bytes(octets)


@contextmanager
def restore_test_stale(house: House) -> Iterator[None]:
    """The last time a backup was tried is two months ago."""
    change = "UPDATE restore_tests SET body = ?"
    with house.behind() as db:
        ((body,),) = db.execute("SELECT body FROM restore_tests").fetchall()
        trial = json.loads(body)
        at = (datetime.fromisoformat(trial["at"]) - timedelta(days=60)).isoformat()
        db.execute(change, (json.dumps(trial | {"at": at}).encode(),))
    yield
    with house.behind() as db:
        db.execute(change, (body,))


BREAKS: dict[str, tuple[str, Callable[[House], AbstractContextManager[None]]]] = {
    "wrong file mode": ("REST-2", key_file_for_everybody),
    "expired certificate": ("TRANSIT-3", certificate_expired),
    "tampered audit row": ("LOG-1", audit_row_tampered_with),
    "changed backup": ("AVAIL-5", backup_changed),
    "missing backup": ("AVAIL-5", backups_missing),
    "stale restore test": ("AVAIL-6", restore_test_stale),
    "unsigned webhook": ("EMAIL-9", lambda house: house.rows_gone("t_webhook_secrets")),
    "operator without second factor": ("AUTHN-3", lambda house: house.rows_gone("factors")),
}


# -- the embedded store ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """In capture mode, with a certificate of the operator's own, an endpoint, and an operator."""
    folder = tmp_path_factory.mktemp("own")
    write_pair(folder, ends=datetime.now(UTC).replace(microsecond=0) + timedelta(days=60))
    settings: dict[str, Any] = {"tls.certificate": str(folder / "own.pem"), "tls.key": str(folder / "own.key")}
    backups = tmp_path_factory.mktemp("copies") / "here"
    backups.mkdir()
    # Copies are made and tried when this module says so, and not in the middle of a question.
    settings |= {"backup.to": str(backups), "backup.every_hours": 0, "backup.every_minutes": 0, "backup.test_days": 0}
    platform = Platform(workers=1, settings=settings | {"limits.api_per_minute": 60_000})
    with platform:
        status, answer = platform.api("POST", "/v1/webhooks", {"url": f"http://127.0.0.1:{platform.mx_port}/hook"})
        assert status == 201, answer
        made = House(platform, folder, backups)
        assert made.key, "read once, before anybody changes its mode"
        for verb in ("create", "test"):
            platform.cli_json("backup", verb)
        asyncio.run(_furnished(made))
        yield made


async def _furnished(house: House) -> None:
    async with opened(house) as context:
        await furnish(context)


@contextlib.asynccontextmanager
async def opened(house: House, **more: Any) -> AsyncIterator[Context]:
    """The context that `mailward verify` gives its checks."""
    installation = house.open(**more)
    await installation.open()
    try:
        actor = replace(cli_actor(await choose(installation.store, None)), id=REHEARSAL)
        yield Context(installation, actor)
    finally:
        await installation.close()


@pytest.fixture
async def context(house: House) -> AsyncIterator[Context]:
    async with opened(house) as made:
        yield made


@pytest.mark.claim("TRUST-1")
@pytest.mark.parametrize("defect", BREAKS)
async def test_exactly_its_line_turns_red(house: House, context: Context, defect: str) -> None:
    """A defect is found by the one line that speaks of it, and by no other; repaired, that line is right again."""
    promise, broken = BREAKS[defect]
    own = [c for c in CATALOGUE if c.id == promise]
    with broken(house):
        assert list(found := await house.lines(context, QUICK)) == [promise], found
    assert await house.lines(context, own) == {}


def said(platform: Platform, code: int) -> set[str]:
    """What `mailward verify --json` says fails, every check run."""
    done = platform.cli("verify", "--json", timeout=180)
    assert done.returncode == code, done.stdout[-500:] + done.stderr[-500:]
    return {line["id"] for line in json.loads(done.stdout)["controls"] if line["state"] == "failing"}


@pytest.mark.claim("TRUST-1")
@pytest.mark.claim("TRANSIT-1")
async def test_a_weak_suite_and_then_everything_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Under a weaker OpenSSL TRANSIT-1 fails; with all else broken too, these lines do; repaired, none does."""
    (tmp_path / "openssl.cnf").write_text(WEAKER)
    platform = house.platform
    stop(platform.process, 45)
    with monkeypatch.context() as environment:
        environment.setenv("OPENSSL_CONF", str(tmp_path / "openssl.cnf"))
        platform.launch()
    async with opened(house) as context:
        found = await house.lines(context, QUICK)
    assert list(found) == ["TRANSIT-1"], found
    assert "0x1305 of TLS 1.3 is accepted" in found["TRANSIT-1"]
    with ExitStack() as stack:
        for _, broken in BREAKS.values():
            stack.enter_context(broken(house))
        assert await asyncio.to_thread(said, platform, 1) == {"TRANSIT-1", *(p for p, _ in BREAKS.values())}
    stop(platform.process, 45)
    platform.launch()
    async with opened(house) as context:
        assert await house.lines(context, QUICK) == {}


# -- PostgreSQL -----------------------------------------------------------------------------------


@dataclass
class Database:
    """A house over PostgreSQL, and a way in as its administrator."""

    house: House
    admin: str

    async def run(self, *statements: str) -> None:
        """As a superuser."""
        db = await asyncpg.connect(self.admin, ssl=False)
        try:
            for statement in statements:
                await db.execute(statement)
        finally:
            await db.close()


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    name = asyncio.run(postgres_server.fresh_database())
    settings = {
        "storage.kind": "postgres",
        "storage.url": postgres_server.url("mailward_app", name),
        "storage.owner_url": postgres_server.url("mailward_owner", name),
        "storage.plaintext": ["127.0.0.1"],
        "limits.api_per_minute": 60_000,
    }
    with Platform(settings=settings, workers=1) as platform:
        yield Database(House(platform), postgres_server.url("postgres", name))


# Each with what mends it. `templates` is empty: no row could tell.
WALLS = {
    "off": ("ALTER TABLE mailward.templates DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE mailward.templates ENABLE ROW LEVEL SECURITY"),
    "not forced": ("ALTER TABLE mailward.messages NO FORCE ROW LEVEL SECURITY",
                   "ALTER TABLE mailward.messages FORCE ROW LEVEL SECURITY"),
    "policy dropped": ("DROP POLICY tenant ON mailward.templates",
                       "CREATE POLICY tenant ON mailward.templates TO mailward_tenant USING "
                       "(workspace = mailward.bound_workspace()) WITH CHECK (workspace = mailward.bound_workspace())"),
    "policy widened": ("ALTER POLICY tenant ON mailward.templates USING (true)",
                       "ALTER POLICY tenant ON mailward.templates USING (workspace = mailward.bound_workspace())"),
    "policy added": ("CREATE POLICY help ON mailward.messages TO mailward_tenant USING (true)",
                     "DROP POLICY help ON mailward.messages"),
    "owned by the role of the platform": ("ALTER TABLE mailward.templates OWNER TO mailward_app",
                                          "ALTER TABLE mailward.templates OWNER TO mailward_owner"),
    "role above it": ("ALTER ROLE mailward_app BYPASSRLS", "ALTER ROLE mailward_app NOBYPASSRLS"),
}  # fmt: skip


@pytest.mark.claim("AUTHZ-2")
async def test_a_wall_that_comes_down_in_postgresql(database: Database) -> None:
    """Row security off, not forced, a policy dropped, widened or added, another owner, BYPASSRLS: AUTHZ-2 each time."""
    house = database.house
    own = [c for c in CATALOGUE if c.id == "AUTHZ-2"]
    async with opened(house) as context:
        assert await house.lines(context, own) == {}
        for n, (what, (breaking, mending)) in enumerate(WALLS.items()):
            await database.run(breaking)
            try:
                # The first is looked at by every quick check, the others by those of the line that has to tell them.
                found = await house.lines(context, own if n else QUICK)
                if what == "role above it":
                    with pytest.raises(Unavailable):
                        await house.open().open()
                    async with opened(house, unjudged=True) as bare:
                        assert "may bypass row security" in (await house.lines(bare, own))["AUTHZ-2"]
            finally:
                await database.run(mending)
            assert list(found) == ["AUTHZ-2"], (what, found)
        assert await house.lines(context, own) == {}


@pytest.mark.claim("TRANSIT-6")
async def test_a_plain_way_to_the_database(database: Database) -> None:
    """A plain URL beyond loopback is not even tried: TRANSIT-6 fails, the rest was not asked; one that nobody listed
    on loopback is looked through, and fails that line alone.
    """
    house, platform = database.house, database.house.platform
    kept = platform.config.read_text("utf-8")
    plain = str(platform._values["storage.url"])
    try:
        platform.config.write_text(toml(platform._values | {"storage.plaintext": []}))
        with pytest.raises(Exception, match="sslmode=verify-full"):
            house.open()
        async with opened(house, unjudged=True) as context:
            found = await house.lines(context, QUICK)
        assert list(found) == ["TRANSIT-6"], found
        away = re.sub(r"@127\.0\.0\.1:\d+", "@192.0.2.7", plain) + "?sslmode=require"
        platform.config.write_text(toml(platform._values | {"storage.url": away}))
        assert await asyncio.to_thread(said, platform, 1) == {"TRANSIT-6"}
    finally:
        platform.config.write_text(kept)
    async with opened(house) as context:
        assert await house.lines(context, [c for c in CATALOGUE if c.id == "TRANSIT-6"]) == {}
