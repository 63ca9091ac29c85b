"""The bill of materials of what runs: a CycloneDX document made from the pins and from the libraries underneath."""

from __future__ import annotations

import platform
import re
import ssl
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw

from mailward import __version__

# The C that Python itself stands on, and the untrusted bytes that reach it.
UNDERNEATH: dict[str, str] = {
    "cpython": "every byte, through the interpreter's own types",
    "openssl": "TLS records and certificates of peers",
    "zlib": "nothing from outside",
    "sqlite3mc": "SQL of ours; stored values as bound parameters",
}


def versions() -> dict[str, str]:
    """The versions of the libraries underneath, as they say themselves."""
    return {
        "cpython": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION.split()[1],
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "sqlite3mc": apsw.sqlite_lib_version(),
    }


def pinned(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """(version, SHA-256 of each file) by normal name, from requirements/runtime.txt; empty when it is not there."""
    path = folder / "requirements" / "runtime.txt"
    if not path.is_file():
        return {}
    text = path.read_text("utf-8").replace("\\\n", " ")
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)(.*)$", text, re.MULTILINE)
    return {
        re.sub(r"[-_.]+", "-", name).lower(): (version, re.findall(r"--hash=sha256:([0-9a-f]{64})", rest))
        for name, version, rest in found
    }


def bill(pins: dict[str, tuple[str, list[str]]], native: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """CycloneDX 1.5. `native` says of each compiled distribution which untrusted bytes reach it."""
    components = [
        _component("library", name, v, f"pkg:pypi/{name}@{v}", native.get(name, "")) for name, (v, _) in pins.items()
    ]
    for component in components:
        component["hashes"] = [{"alg": "SHA-256", "content": h} for h in pins[component["name"]][1]]
    for name, version in versions().items():
        kind = "platform" if name == "cpython" else "library"
        components.append(_component(kind, name, version, f"pkg:generic/{name}@{version}", f"C: {UNDERNEATH[name]}"))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": now.isoformat(timespec="seconds"),
            "component": {"type": "application", "name": "mailward", "version": __version__},
        },
        "components": components,
    }


def _component(kind: str, name: str, version: str, purl: str, reaches: str) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind, "name": name, "version": version, "purl": purl, "bom-ref": purl}
    if reaches:
        found["properties"] = [{"name": "mailward:native", "value": reaches}]
    return found
