"""What the whole source keeps away from, found by reading every module of it."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "mailward"

# `str.format` on something else than a literal: texts of the module itself, filled with facts.
FORMATS = {"app/notices.py", "edges/web/reference/samples.py", "edges/web/reference/shown.py"}
# PKCS #1 v1.5 is how RSA signatures of DKIM (RFC 6376) and of Amazon's notifications are made. It encrypts nothing.
PKCS1 = {
    "app/checks/signatures.py",
    "app/inbound/notifications.py",
    "protocol/dkim/publickey.py",
    "protocol/dkim/keys.py",
}
HASHES = {
    "hashlib.sha256",
    "hashlib.blake2b",  # names in tables of counters, keyed
    "hashlib.sha1",  # only to look a password up in a list that is in SHA-1
    "hashlib.pbkdf2_hmac",  # what PostgreSQL keeps of a password (SCRAM, RFC 7677)
    "hashes.SHA256",
}
PRIMITIVES = {
    "hashes", "serialization", "asymmetric.ec", "asymmetric.rsa", "asymmetric.ed25519", "asymmetric.padding",
    "ciphers.aead", "kdf.argon2", "kdf.hkdf",
}  # fmt: skip


class Seen(NamedTuple):
    """Of all modules, each with its path below the package: calls, imports as dotted names, and uses like `a.b`."""

    modules: int
    calls: list[tuple[str, str, ast.Call]]
    imports: list[tuple[str, str]]
    uses: dict[str, set[str]]


@cache
def seen() -> Seen:
    """One walk through all of it."""
    found = Seen(len(paths := sorted(SOURCE.rglob("*.py"))), [], [], {})
    for file in paths:
        path = file.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                found.calls.append((path, _name(node.func), node))
            elif isinstance(node, ast.Import):
                found.imports.extend((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.imports.extend((path, f"{node.module}.{alias.name}") for alias in node.names)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found.uses.setdefault(f"{node.value.id}.{node.attr}", set()).add(path)
    return found


def _name(node: ast.expr) -> str:
    """`a.b.c` as it stands; something else in front of the dots is "?"."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def importing(*tops: str) -> set[str]:
    """The modules that import one of these."""
    return {path for path, name in seen().imports if any(name == top or name.startswith(f"{top}.") for top in tops)}


def test_there_is_much_to_read() -> None:
    """The whole package is looked at, so that finding nothing says something."""
    assert seen().modules > 500
    assert importing("hashlib") and importing("cryptography")


@pytest.mark.asvs("1.2.5", "1.3.2")
def test_nothing_is_executed_that_is_data() -> None:
    """No eval, no exec, no shell: programs are started from lists, without one."""
    wrong = {"eval", "exec", "compile", "os.system", "os.popen", "asyncio.create_subprocess_shell", "pty.spawn"}
    assert [(path, name) for path, name, _ in seen().calls if name in wrong] == []
    shells = [path for path, _, call in seen().calls if any(word.arg == "shell" for word in call.keywords)]
    assert shells == []


@pytest.mark.asvs("1.5.1", "1.5.2")
def test_no_parser_makes_objects_or_fetches_anything() -> None:
    """No XML, no YAML, no pickle: but for the one between the supervisor and its own child, over a pipe of theirs."""
    assert importing("xml", "lxml", "defusedxml", "yaml", "marshal", "shelve", "dill") == set()
    assert importing("pickle") == {"app/welcome.py"}


@pytest.mark.asvs("1.3.10")
def test_formats_are_written_in_the_source() -> None:
    """What is filled in is a literal, a constant, or a text of the same module; never something that came in."""
    found = set()
    for path, name, call in seen().calls:
        given = call.func.value if isinstance(call.func, ast.Attribute) else None
        constant = isinstance(given, ast.Name) and given.id.strip("_").isupper()
        if (
            name.endswith(".format")
            and name != "msgspec.json.format"
            and not (constant or isinstance(given, ast.Constant))
        ):
            found.add(path)
    assert found <= FORMATS


@pytest.mark.asvs("11.2.1", "11.3.1", "11.3.2", "11.4.3")
def test_cryptography_is_that_of_libraries_and_of_today() -> None:
    """`cryptography` and `hashlib`: AES-GCM, SHA-256, HKDF, Argon2id, Ed25519, EC and RSA; no other. By ctypes only
    signatures of RSA and Ed25519, which the library makes for many messages at once."""
    lead = "cryptography.hazmat.primitives."
    used = {name.removeprefix(lead) for _, name in seen().imports if name.startswith(lead)}
    assert {u for u in used if not any(u == p or u.startswith(f"{p}.") for p in PRIMITIVES)} - {
        "asymmetric.rsa"
    } == set()
    assert importing("Crypto", "Cryptodome", "nacl", "OpenSSL", "cryptography.hazmat.decrepit") == set()
    calling = {path for path in importing("ctypes") if "CDLL(str(" in (SOURCE / path).read_text("utf-8")}
    assert calling == {"adapters/vault/multibuffer.py"}
    functions = re.findall(r"library\.(mbx_\w+)", (SOURCE / "adapters/vault/multibuffer.py").read_text("utf-8"))
    assert {f.split("_")[1] for f in functions} == {"rsa", "RSA2K", "RSA", "ed25519", "is"}
    assert {u for u in used if u.startswith("ciphers.aead.")} == {"ciphers.aead.AESGCM"}
    named = seen().uses
    assert {n for n in named if re.fullmatch(r"(hashlib|hashes)\.\w+", n)} <= HASHES | {"hashes.Hash"}
    assert named["hashlib.sha1"] == {"core/identity/breached.py"}
    assert {n for n in named if n.startswith("padding.")} == {"padding.PKCS1v15"}
    assert named["padding.PKCS1v15"] <= PKCS1


@pytest.mark.asvs("11.6.1")
def test_keys_are_made_of_approved_kinds_and_lengths() -> None:
    """Ed25519, curves that the library has, and RSA with exponent 65537, where no length below 2048 stands."""
    made = [call for _, name, call in seen().calls if name.endswith("generate_private_key")]
    assert len(made) >= 4
    for call in made:
        values = [n.value for n in ast.walk(call) if isinstance(n, ast.Constant) and isinstance(n.value, int)]
        assert all(value == 65537 or value >= 2048 for value in values)
    from mailward.protocol.dkim.keys import RSA_BITS

    assert RSA_BITS >= 2048


@pytest.mark.asvs("11.5.1", "6.5.3")
def test_nothing_random_is_from_another_source_than_the_systems() -> None:
    """No `random`, no `uuid`: whatever is drawn is from the kernel, and entropy is an argument that says so."""
    from mailward.adapters.host.clock import SystemEntropy

    assert importing("random", "uuid", "numpy") == set()
    drawn = {name for _, name, _ in seen().calls if re.fullmatch(r"(os\.urandom|secrets\.\w+)", name)}
    assert drawn <= {"os.urandom", "secrets.token_bytes", "secrets.get"}
    entropy = SystemEntropy()
    assert len({entropy.bytes(16) for _ in range(1000)}) == 1000


@pytest.mark.asvs("15.2.3")
def test_production_needs_what_is_pinned_for_it_and_nothing_else() -> None:
    """Each import is of the standard library, of ours, or of a distribution in requirements/runtime.txt."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements" / "runtime.txt").read_text("utf-8"), re.MULTILINE)
    known = {re.sub(r"[-_.]+", "-", name).lower() for name in pins}
    tops = {name.partition(".")[0] for _, name in seen().imports} - set(sys.stdlib_module_names) - {"mailward"}
    owners = importlib.metadata.packages_distributions()
    missing = {top for top in tops if not {re.sub(r"[-_.]+", "-", d).lower() for d in owners.get(top, ())} & known}
    assert missing == set()
