"""Secrets of the installation: random values in files wrapped by the key service, and what derives from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mailward.adapters.vault.files import away, locked, read_private, write_private
from mailward.adapters.vault.keyfile import KeyFile
from mailward.adapters.vault.signer import BackupSigner, LogSigner
from mailward.base.errors import Corrupt
from mailward.base.sources import Entropy

_ROOT = "root"
_DATABASE = "database"
_AUDIT_LOG = "audit-log"


class Vault:
    """What a process may hold of the installation's keys.

    `folder` (data/keys) keeps `master.key`, the key file, and `<name>.wrapped` beside it.
    Rotating the key-encryption key re-wraps these files; the secrets in them stay.
    """

    def __init__(self, folder: Path, entropy: Entropy, *, now: datetime) -> None:
        """Open, and make what is not there yet. Unavailable when the key file is unsafe or damaged."""
        self._folder = folder
        self._entropy = entropy
        self.service = KeyFile(folder / "master.key", entropy, now=now)
        self._secrets: dict[str, bytes] = {}
        self._derived: dict[tuple[str, bytes], bytes] = {}
        self._sealers: dict[str, AESGCM] = {}

    def database_key(self) -> bytes:
        """32 raw bytes for the encrypted store."""
        return self._secret(_DATABASE)

    def log_signer(self) -> LogSigner:
        """Signs the heads of the audit log."""
        return LogSigner(self._secret(_AUDIT_LOG))

    def backup_signer(self) -> BackupSigner:
        """Signs the manifests of backups."""
        return BackupSigner(self.derive("backup-manifest"))

    def wrapped_secrets(self) -> dict[str, bytes]:
        """Every secret of the installation as its file holds it, those made that are not there yet."""
        self.database_key(), self.log_signer(), self.derive("backup-manifest")
        return {path.stem: read_private(path)[0] for path in sorted(self._folder.glob("*.wrapped"))}

    def derive(self, purpose: str, context: bytes = b"") -> bytes:
        """See Secrets. HKDF-SHA-256 over the root secret; the purpose's length keeps purpose and context apart."""
        known = self._derived.get((purpose, context))
        if known is None:
            name = purpose.encode()
            info = b"mailward/1\x00" + len(name).to_bytes(2, "big") + name + context
            known = HKDF(SHA256(), 32, None, info).derive(self._secret(_ROOT))
            self._derived[purpose, context] = known
        return known

    def seal(self, purpose: str, plaintext: bytes, aad: bytes) -> bytes:
        """See Secrets. `nonce 12 | ciphertext+tag`."""
        nonce = self._entropy.bytes(12)
        return nonce + self._sealer(purpose).encrypt(nonce, plaintext, aad)

    def unseal(self, purpose: str, sealed: bytes, aad: bytes) -> bytes:
        """See Secrets."""
        try:
            return self._sealer(purpose).decrypt(sealed[:12], sealed[12:], aad)
        except (InvalidTag, ValueError):
            raise Corrupt("secret_corrupt", "A stored secret failed its check.", detail=purpose) from None

    def _sealer(self, purpose: str) -> AESGCM:
        known = self._sealers.get(purpose)
        if known is None:
            known = self._sealers[purpose] = AESGCM(self.derive("seal/" + purpose))
        return known

    def require_whole(self) -> None:
        """Open every secret there is. Corrupt or Unavailable, naming the file, when one is damaged."""
        for path in sorted(self._folder.glob("*.wrapped")):
            self._secret(path.stem)

    def missing(self) -> list[str]:
        """Files of secrets that every installation with a workspace has, and this folder has not."""
        names = [f"{name}.wrapped" for name in (_ROOT, _AUDIT_LOG)]
        return [name for name in names if not (self._folder / name).exists()]

    def rewrap(self) -> int:
        """Wrap every secret file under the current version of the key-encryption key; how many changed."""
        changed = 0
        with locked(self._folder):
            for path in sorted(self._folder.glob("*.wrapped")):
                wrapped = read_private(path)[0]
                if self.service.version_of(wrapped) != self.service.current:
                    aad = _aad(path.stem)
                    write_private(path, self.service.wrap_now(self.service.unwrap_now(wrapped, aad), aad))
                    changed += 1
        return changed

    def versions_in_use(self) -> set[int]:
        """Versions of the key-encryption key that a secret file still needs."""
        return {self.service.version_of(read_private(p)[0]) for p in self._folder.glob("*.wrapped")}

    def _secret(self, name: str) -> bytes:
        known = self._secrets.get(name)
        if known is not None:
            return known
        path = self._folder / f"{name}.wrapped"
        if not path.exists():
            with locked(self._folder):
                if not path.exists():
                    write_private(path, self.service.wrap_now(self._entropy.bytes(32), _aad(name)))
        try:
            secret = self.service.unwrap_now(read_private(path)[0], _aad(name))
        except Corrupt as e:
            raise Corrupt(
                "key_corrupt",
                "A key of this installation failed its check: it is damaged, or wrapped by another master.key.",
                detail=f"{path}: {e.detail}",
            ) from e
        self._secrets[name] = secret
        return secret


def _aad(name: str) -> bytes:
    return b"mailward secret\x00" + name.encode()


def put_keys(folder: Path, key_file: Path, wrapped: Mapping[str, bytes]) -> None:
    """Make a folder of keys from a kept copy of the key file and wrapped secrets. The folder must not exist.

    Unavailable when the copy cannot be read. The copy's mode does not matter: what is made is 0600.
    """
    try:
        content = key_file.read_bytes()
    except OSError as e:
        raise away(f"{key_file}: {e.strerror}") from e
    folder.mkdir(mode=0o700, parents=True)
    with locked(folder):
        write_private(folder / "master.key", content)
        for name, content in wrapped.items():
            if not name.isascii() or not name.replace("-", "").isalnum():
                raise Corrupt("secret_corrupt", "A stored secret has no name of ours.")
            write_private(folder / f"{name}.wrapped", content)
