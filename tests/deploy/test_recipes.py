"""The recipes in deploy/ name what there is, and give away no more than is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from mailward.app.cli import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
_NFT = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
# Root of a network of its own, for who has no rights over the machine's.
_OWN_NETWORK = ["unshare", "--user", "--map-root-user", "--net"]
_CONFINED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectControlGroups": "yes",
    "RestrictNamespaces": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "LimitCORE": "0",
}


def unit(path: Path) -> dict[str, list[str]]:
    """Directives of a unit, each with its values; a line that is none fails."""
    found: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if not line or line.startswith(("#", "[")):
            continue
        name, sign, value = line.partition("=")
        assert sign, line
        assert name.isalpha() and name[0].isupper(), line
        found.setdefault(name, []).append(value)
    return found


def instructions() -> list[tuple[str, str]]:
    """Instructions of the Containerfile in order."""
    text = (DEPLOY / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split(None, 1)[1]) for line in lines]


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.name)
def test_units_are_confined(path: Path) -> None:
    """Each unit runs as nobody who matters, sees a read-only system, and starts a command there is."""
    told = unit(path)
    assert {name: told.get(name, [""])[-1] for name in _CONFINED} == _CONFINED
    assert told.get("User") == ["mailward"] or told.get("DynamicUser") == ["yes"]
    assert told["CapabilityBoundingSet"][-1] in ("", "CAP_NET_BIND_SERVICE")
    assert set(told["RestrictAddressFamilies"][-1].split()) == {"AF_INET", "AF_INET6", "AF_UNIX"}
    words = told["ExecStart"][-1].split()
    assert words[0] == "/opt/mailward/bin/mailward"
    assert app.parse_commands(words[1:])[0] == (words[1],)


def test_systemd_reads_the_units() -> None:
    """systemd itself finds nothing to say about them, beyond what is not installed here."""
    paths = [str(p) for p in (DEPLOY / "systemd").iterdir()]
    told = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    wrong = [line for line in told.stderr.splitlines() if "Unknown" in line or "Failed to parse" in line]
    assert wrong == []


def test_the_image_is_pinned_and_not_root() -> None:
    """Both stages; every pip install checks hashes or needs none; the last user is a number that is not 0."""
    found = instructions()
    assert [name for name, _ in found].count("FROM") == 2
    installs = [part for name, text in found if name == "RUN" for part in text.split("&&") if " install " in part]
    for part in (p for p in installs if "/pip " in p):
        assert "--require-hashes" in part or "--no-index" in part, part
    last = len(found) - 1 - [name for name, _ in reversed(found)].index("FROM")
    assert [text for name, text in found[last:] if name == "USER"] == ["10001:10001"]
    assert ("CMD", '["up"]') in found
    for name, text in found[:last]:
        if name == "COPY":
            for source in text.split()[:-1]:
                assert (ROOT / source).exists(), source


def test_compose_gives_nothing_away() -> None:
    """Read-only, no capability, loopback alone, and time enough to drain."""
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["mailward"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert int(service["stop_grace_period"].removesuffix("s")) >= 50
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    exposed = next(text for name, text in instructions() if name == "EXPOSE").split()
    assert {port.rsplit(":", 1)[1] for port in service["ports"]} <= set(exposed)


def test_the_firewall() -> None:
    """Braces close, what is not named is dropped, and the ports are those of mail and the web."""
    text = re.sub(r"#.*", "", (DEPLOY / "nftables.conf").read_text("utf-8"))
    assert text.count("{") == text.count("}")
    assert text.count("policy drop") == 2
    ports = re.search(r"tcp dport \{ ([\d, ]+) \} accept", text)
    assert ports is not None
    assert {int(p) for p in ports[1].split(",")} == {25, 80, 443, 465, 587}


def nft(rules: str, tmp_path: Path) -> list[str]:
    """What nft says against rules, without loading them; not that it may not ask this kernel, if that is all."""
    path = tmp_path / "rules.conf"
    path.write_text(rules, "utf-8")
    words = [str(_NFT), "-c", "-f", str(path)]
    tries = [subprocess.run([*own, *words], capture_output=True, text=True, check=False) for own in ([], _OWN_NETWORK)]
    if any(told.returncode == 0 for told in tries):
        return []
    # Whoever may not ask the kernel is told so after the whole file was read: words that nft does not know come first.
    said = [line for line in tries[0].stderr.splitlines() if "rror" in line or "not permitted" in line]
    assert said, "it failed and says why"
    return [line for line in said if "Operation not permitted" not in line]


def test_nft_reads_the_rules(tmp_path: Path) -> None:
    """nft checks the rules without loading them and finds nothing; a word it does not know, it finds."""
    assert _NFT is not None, "no nft: run tools/install-test-deps.sh"
    rules = (DEPLOY / "nftables.conf").read_text("utf-8").replace('skuid "mailward"', "skuid 10001")
    assert nft(rules, tmp_path) == []
    assert nft(rules.replace("policy drop", "polcy drop"), tmp_path) != []
