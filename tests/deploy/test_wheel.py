"""The wheels: complete, the same bytes twice, and enough to run the platform and to call it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mailward_client import Mailward
from tests.scenarios.platform import Platform

ROOT = Path(__file__).parents[2]
_SOURCES = ("src/mailward", "src/mailward_client", "client", "requirements", "pyproject.toml", "README.md", "LICENSE")
_SEND = """
import asyncio, json, sys
from mailward_client import AsyncMailward, Mailward
url, key = sys.argv[1:]
with Mailward(url, key) as mail:
    one = mail.send_message(from_="ada@demo.mailward.test", to=["bob@example.net"], subject="Packed", text="Hi").id
async def rest():
    async with AsyncMailward(url, key) as mail:
        two = (await mail.send_message(from_="ada@demo.mailward.test", to=["b@example.net"], subject="P", text="Hi")).id
        return two, [m.id async for m in mail.iter_messages(limit=1)]
two, listed = asyncio.run(rest())
import mailward_client
print(json.dumps({"sent": [one, two], "listed": listed, "from": mailward_client.__file__}))
"""


def build(folder: Path) -> dict[str, Path]:
    """Both wheels, from a copy of the sources in `folder`, by name."""
    tree = folder / "tree"
    for name in _SOURCES:
        place = tree / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
        else:
            shutil.copy(ROOT / name, place)
    for project in (tree, tree / "client"):
        subprocess.run(
            [sys.executable, "-c", f"from setuptools import build_meta as b; b.build_wheel({str(folder)!r})"],
            cwd=project,
            env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
            check=True,
            capture_output=True,
        )
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels."""
    return build(tmp_path_factory.mktemp("first"))


@pytest.mark.claim("SUPPLY-1")
def test_the_same_bytes_twice(wheels: dict[str, Path], tmp_path: Path) -> None:
    """Built again elsewhere, each wheel is the same, byte for byte."""
    again = build(tmp_path)
    assert set(again) == set(wheels) == {"mailward", "mailward_client"}
    for name, path in wheels.items():
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(again[name].read_bytes()).digest(), name


@pytest.mark.claim("SUPPLY-1")
def test_nothing_is_missing_and_nothing_is_too_much(wheels: dict[str, Path]) -> None:
    """Every file of a package is in its wheel, and no other."""
    for name, path in wheels.items():
        with zipfile.ZipFile(path) as archive:
            packed = {n for n in archive.namelist() if ".dist-info/" not in n}
        source = ROOT / "src" / name
        wanted = {
            str(p.relative_to(source.parent)) for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts
        }
        assert packed == wanted


@pytest.mark.claim("SUPPLY-1")
def test_runs_as_installed(wheels: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed into an environment of its own, `mailward up` takes messages from the installed client."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    packages = next((venv / "lib").iterdir()) / "site-packages"
    for path in wheels.values():
        with zipfile.ZipFile(path) as archive:  # which is what installing a pure wheel is
            archive.extractall(packages)
    # Dependencies come from here; a path line does not follow our own .pth, so the checkout stays out of reach.
    (packages / "dependencies.pth").write_text(site.getsitepackages()[0] + "\n")
    monkeypatch.setattr(sys, "executable", str(venv / "bin" / "python"))
    monkeypatch.setattr(Platform, "_environment", lambda _: {"PATH": os.environ["PATH"]})
    with Platform(workers=1) as platform:
        url = f"http://127.0.0.1:{platform.http_port}"
        done = subprocess.run(
            [sys.executable, "-c", _SEND, url, platform.admin_key],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        told = json.loads(done.stdout)
        assert Path(told["from"]).is_relative_to(venv)
        assert set(told["sent"]) <= set(told["listed"])
        sbom = subprocess.run([sys.executable, "-m", "mailward", "sbom"], cwd=tmp_path, capture_output=True, check=True)
        assert len(json.loads(sbom.stdout)["components"]) > 40
        with Mailward(url, platform.admin_key) as mail:
            assert mail.get_message(told["sent"][0]).subject == "Packed"
            assert mail.get_workspace().name
        assert platform.api("GET", "/docs/api/sending", key="")[0] == 200
