"""The key file, and the secrets that hang from it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from mailward.adapters.vault.keyfile import KeyFile
from mailward.adapters.vault.vault import Vault
from mailward.base.errors import Conflict, Corrupt, Unavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def vault(folder: Path, clock: Any, entropy: Any) -> Vault:
    return Vault(folder, entropy, now=clock.now())


@pytest.mark.asvs("13.3.2")
@pytest.mark.claim("REST-2")
def test_files_are_for_their_owner_only(vault: Vault, folder: Path) -> None:
    """The first start makes the key file and secrets with mode 0600."""
    vault.database_key()
    vault.log_signer()
    found = [p for p in folder.iterdir() if not p.name.startswith(".")]
    assert {p.name for p in found} == {"master.key", "database.wrapped", "audit-log.wrapped"}
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in folder.iterdir())


@pytest.mark.asvs("13.3.2")
@pytest.mark.claim("REST-2")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_others_may_read_stops_the_start(
    vault: Vault, folder: Path, clock: Any, entropy: Any, mode: int
) -> None:
    """Start is refused, with the file's name and what to do."""
    (folder / "master.key").chmod(mode)
    with pytest.raises(Unavailable, match="0600"):
        Vault(folder, entropy, now=clock.now())


def test_a_lost_key_file_is_not_replaced(vault: Vault, folder: Path, clock: Any, entropy: Any) -> None:
    """While there are secrets that only the lost file opens, no new one is made silently."""
    vault.database_key()
    (folder / "master.key").unlink()
    with pytest.raises(Unavailable, match="missing"):
        Vault(folder, entropy, now=clock.now())


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"not json", b'{"format":"mailward-key-file/1","current":2,"versions":{}}']
)
def test_a_damaged_key_file_stops_the_start(
    vault: Vault, folder: Path, clock: Any, entropy: Any, content: bytes
) -> None:
    """Nothing is guessed from a damaged file."""
    (folder / "master.key").write_bytes(content)
    with pytest.raises(Unavailable, match="damaged"):
        Vault(folder, entropy, now=clock.now())


@pytest.mark.asvs("13.3.1")
@pytest.mark.claim("REST-2")
async def test_secrets_survive_rotation_and_the_old_version_retires(
    vault: Vault, folder: Path, clock: Any, entropy: Any
) -> None:
    """After rotating and re-wrapping nothing needs the old version, and every secret is the same."""
    before = (vault.database_key(), vault.log_signer().public_key, vault.derive("verp"))
    sealed = vault.seal("dkim", b"private", b"here")
    assert await vault.service.rotate(now=clock.now()) == 2
    assert vault.versions_in_use() == {1}
    assert vault.rewrap() == 3
    assert vault.rewrap() == 0
    assert vault.versions_in_use() == {2}
    await vault.service.retire(1)
    fresh = Vault(folder, entropy, now=clock.now())
    assert (fresh.database_key(), fresh.log_signer().public_key, fresh.derive("verp")) == before
    assert fresh.unseal("dkim", sealed, b"here") == b"private"
    with pytest.raises(Conflict):
        await fresh.service.retire(2)


@pytest.mark.claim("REST-2")
async def test_another_process_notices_a_rotation(vault: Vault, folder: Path, clock: Any, entropy: Any) -> None:
    """A process with the file open unwraps what a newer version wrapped, and wraps with it, without a restart."""
    other = KeyFile(folder / "master.key", entropy, now=clock.now())
    old = await other.wrap(b"x" * 32, b"a")
    await vault.service.rotate(now=clock.now())
    assert await other.unwrap(await vault.service.wrap(b"y" * 32, b"a"), b"a") == b"y" * 32
    assert other.version_of(await other.wrap(b"z", b"a")) == 2
    assert await vault.service.unwrap(old, b"a") == b"x" * 32
    await vault.service.retire(1)
    with pytest.raises(Corrupt):
        await KeyFile(folder / "master.key", entropy, now=clock.now()).unwrap(old, b"a")


@pytest.mark.asvs("11.3.3")
async def test_what_was_wrapped_opens_as_it_was_only(vault: Vault) -> None:
    """Any changed byte, and any other place, is Corrupt."""
    wrapped = await vault.service.wrap(b"k" * 32, b"place")
    for i in range(len(wrapped)):
        broken = wrapped[:i] + bytes([wrapped[i] ^ 1]) + wrapped[i + 1 :]
        with pytest.raises(Corrupt):
            await vault.service.unwrap(broken, b"place")
    for bad in (b"", wrapped[:20]):
        with pytest.raises(Corrupt):
            await vault.service.unwrap(bad, b"place")
    with pytest.raises(Corrupt):
        await vault.service.unwrap(wrapped, b"elsewhere")


@pytest.mark.asvs("9.2.2")
def test_purposes_do_not_share_keys(vault: Vault) -> None:
    """Different purposes and contexts give different keys, also where their texts would join to the same."""
    keys = [vault.derive("verp"), vault.derive("session"), vault.derive("verp", b"x"), vault.derive("verpx")]
    assert len(set(keys)) == 4
    assert vault.derive("verp") == keys[0]
    with pytest.raises(Corrupt):
        vault.unseal("session", vault.seal("verp", b"x", b""), b"")


@pytest.mark.asvs("13.3.1")
def test_no_key_shows_in_the_files_of_secrets(vault: Vault, folder: Path) -> None:
    """A wrapped file does not hold its secret."""
    key = vault.database_key()
    assert key not in (folder / "database.wrapped").read_bytes()
