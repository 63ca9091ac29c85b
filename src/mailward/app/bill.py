"""The bill of materials of what runs: a CycloneDX document made from the pins and from the libraries underneath."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import ssl
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw

import mailward
from mailward import __version__
from mailward.base.errors import Invalid

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


def at_hand() -> dict[str, tuple[str, list[str]]]:
    """The pins that came with us; where none did, what is installed, without hashes of its files."""
    return pinned(Path(mailward.__file__).parent) or installed()


def installed(root: str = "mailward") -> dict[str, tuple[str, list[str]]]:
    """(version, no hashes) of each installed distribution that `root` needs, and what those need, by normal name."""
    found: dict[str, tuple[str, list[str]]] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform or an extra
        if name != root:
            found[name] = (distribution.version, [])
        for line in distribution.requires or ():
            needed = re.sub(r"[-_.]+", "-", re.split(r"[ ;<>=!~\[(]", line, maxsplit=1)[0]).lower()
            if "extra ==" not in line and needed not in found and needed != root:
                waiting.append(needed)
    return dict(sorted(found.items()))


# Packages whose metadata is silent; read from the licence file beside their code.
_UNSAID = {"zxcvbn-rs-py": "MIT"}


def licence(name: str) -> str:
    """What a distribution says of its licence, as short as it says it; "" when it is not installed or says nothing."""
    try:
        said = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    if "License-Expression" in said:
        return said["License-Expression"]
    listed = [c.rsplit(" :: ", 1)[1] for c in said.get_all("Classifier") or () if c.startswith("License :: ")]
    lines = "".join(said.get_all("License") or ()).strip().splitlines() or [""]
    return " AND ".join(listed) or (lines[0] if len(lines) == 1 else "") or _UNSAID.get(name, "")


def pinned(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """(version, SHA-256 of each file) by normal name, from pins.txt in the package; empty when it is not there.

    In a checkout that is requirements/runtime.txt by another name, and a wheel carries its text. Of what may be left
    out, that which is installed is in it, too.
    """
    path, optional = folder / "pins.txt", folder / "pins-multibuffer.txt"
    if not path.is_file():
        return {}
    chosen = {name: pin for name, pin in read_pins(optional).items() if _present(name)} if optional.is_file() else {}
    return read_pins(path) | chosen


def _present(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def read_pins(path: Path) -> dict[str, tuple[str, list[str]]]:
    """The same of any file that pip-compile wrote. Invalid when it is not text."""
    try:
        text = path.read_text("utf-8").replace("\\\n", " ")
    except UnicodeDecodeError:
        raise Invalid("invalid_text", f"{path} is not UTF-8 text.") from None
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
        if hashes := pins[component["name"]][1]:
            component["hashes"] = [{"alg": "SHA-256", "content": h} for h in hashes]
        if said := licence(component["name"]):
            # What names itself an SPDX expression is one; older metadata is words.
            spdx = "License-Expression" in importlib.metadata.metadata(component["name"])
            component["licenses"] = [{"expression": said}] if spdx else [{"license": {"name": said}}]
    for name, version in versions().items():
        kind = "platform" if name == "cpython" else "library"
        components.append(_component(kind, name, version, f"pkg:generic/{name}@{version}", f"C: {UNDERNEATH[name]}"))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": now.isoformat(timespec="seconds"),
            "component": {
                "type": "application",
                "name": "mailward",
                "version": __version__,
                "bom-ref": "mailward",
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": components,
    }


def _component(kind: str, name: str, version: str, purl: str, reaches: str) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind, "name": name, "version": version, "purl": purl, "bom-ref": purl}
    if reaches:
        found["properties"] = [{"name": "mailward:native", "value": reaches}]
    return found
