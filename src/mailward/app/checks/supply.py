"""SUPPLY-1, SUPPLY-2 and TRUST-1: what runs is what was pinned, and what of it is native."""

from __future__ import annotations

import importlib.metadata
from datetime import UTC, datetime
from pathlib import Path

import mailward
from mailward.app.bill import bill, pinned, versions
from mailward.app.checks.registry import CHECKS, check
from mailward.app.context import Context
from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.model import Control, Finding, State, failed, not_configured, passed
from mailward.core.evidence.verify import verify

_PACKAGE = Path(mailward.__file__).parent
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

# Distributions with compiled code, and the untrusted bytes that reach it. A new one fails until it is placed here.
NATIVE: dict[str, str] = {
    "aiohttp": "C: answers of webhook endpoints",
    "apsw-sqlite3mc": "C: SQL of ours; stored values as bound parameters",
    "asyncpg": "C: answers of our own database",
    "cffi": "C: nothing from outside",
    "charset-normalizer": "C: answers of the certificate authority, read by its client",
    "cryptography": "Rust and OpenSSL: TLS, ciphertext, keys",
    "css-inline": "Rust: HTML and CSS of customers' templates",
    "frozenlist": "C: nothing from outside",
    "google-re2": "C++: recipients' local parts, and the expressions customers write for routes",
    "granian": "Rust: HTTP requests",
    "intel-cmplr-lib-rt": "C: nothing; named by ipp-crypto and not called",
    "ipp-crypto": "C: hashes of messages, keys",
    "maxminddb": "C: the operator's file of networks and places",
    "minijinja": "Rust: values shown on pages; customers' templates, with fuel",
    "msgspec": "C: JSON of requests",
    "multidict": "C: header names of webhook answers",
    "nh3": "Rust: message HTML",
    "obstore": "Rust: answers of the object store, over its own TLS (rustls)",
    "propcache": "C: nothing from outside",
    "uvloop": "C: bytes of sockets, not read by it",
    "yara-x": "Rust: messages, in a limited process",
    "yarl": "C: URLs of webhook endpoints",
    "zxcvbn-rs-py": "Rust: passwords being chosen",
}


def pins(folder: Path) -> dict[str, str]:
    """Name and version of every pin that came with the package; empty when none did."""
    return {name: version for name, (version, _) in pinned(folder).items()}


@check("SUPPLY-1")
async def what_runs_is_what_was_pinned(_: Context) -> Finding:
    """Every pinned distribution is installed at exactly its version."""
    wanted = pins(_PACKAGE)
    if not wanted:
        return not_configured("pins.txt is not in the package")
    different = []
    for name, version in wanted.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "absent"
        if installed != version:
            different.append(f"{name} {installed}, pinned {version}")
    if different and not (_PACKAGE / "pins.txt").is_symlink():
        return not_configured(
            f"{len(different)} distributions of this installed wheel are not at the version it was released with "
            f"({different[0]}): install requirements/runtime.txt before it"
        )
    if different:
        return failed("; ".join(different[:5]))
    return passed(f"{len(wanted)} distributions, each at its pinned version")


@check("SUPPLY-2")
async def native_code_is_listed(_: Context) -> Finding:
    """No compiled file is ours, and every pinned distribution that has one is in the table with what reaches it."""
    ours = [p.name for p in _PACKAGE.rglob("*") if p.suffix in (".so", ".c", ".cpp", ".pyx")]
    if ours:
        return failed(f"native code of our own: {', '.join(ours[:5])}")
    wanted = pins(_PACKAGE)
    if not wanted:
        return not_configured("pins.txt is not in the package")
    unlisted = sorted(name for name in wanted if _has_native(name) and name not in NATIVE)
    if unlisted:
        return failed(f"native and not in the table: {', '.join(unlisted)}")
    return passed(f"none of our code is native; {sum(map(_has_native, wanted))} native distributions, each listed")


def _has_native(name: str) -> bool:
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        return False
    return any(f.suffix == ".so" for f in files)


@check("SUPPLY-2")
async def the_bill_names_them(context: Context) -> Finding:
    """The bill of materials lists every pinned distribution with hashes, and each native part with what reaches it."""
    wanted = pinned(_PACKAGE)
    if not wanted:
        return not_configured("pins.txt is not in the package")
    listed = {c["name"]: c for c in bill(wanted, NATIVE, now=context.clock.now())["components"]}
    if bare := sorted(name for name in wanted if not listed.get(name, {}).get("hashes")):
        return failed(f"pinned without a hash, or not in the bill: {', '.join(bare[:5])}")
    native = [*filter(_has_native, wanted), *versions()]
    if silent := sorted(name for name in native if not listed.get(name, {}).get("properties")):
        return failed(f"native, and the bill does not say what reaches it: {', '.join(silent[:5])}")
    return passed(f"`mailward sbom` lists {len(listed)} parts, {len(native)} of them native, each with what reaches it")


@check("TRUST-1")
async def the_checks_can_fail(_: Context) -> Finding:
    """The catalogue names each promise once, and what runs the checks turns a broken one red."""
    ids = [c.id for c in CATALOGUE]
    if len(ids) != len(set(ids)):
        return failed("a promise is in the catalogue twice")
    if claimed := [c.id for c in CATALOGUE if not c.missing and not c.duty and c.id not in CHECKS]:
        return failed(f"nothing is said to be missing, and nothing checks: {', '.join(claimed)}")

    async def breaks(_: None) -> Finding:
        raise RuntimeError

    async def refuses(_: None) -> Finding:
        return failed("as it should")

    async def holds(_: None) -> Finding:
        return passed("as it should")

    tried = [Control("A", "breaks"), Control("B", "refuses"), Control("C", "holds in part", missing="the rest")]
    lines = await verify(tried, {"A": [holds, breaks], "B": [refuses, holds], "C": [holds]}, None, now=_NEVER)
    if [line.state for line in lines] != [State.FAILING, State.FAILING, State.PARTLY]:
        return failed("a check that breaks or refuses does not turn its control red")
    count = sum(map(len, CHECKS.values()))
    return passed(
        f"{len(ids)} controls, {len(CHECKS)} of them with {count} checks that ran just now; "
        "a check that breaks or refuses turns its control red, one with a part missing never reads as proved"
    )
