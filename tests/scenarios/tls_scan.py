"""sslyze, a TLS scanner no one here wrote, in an environment of its own (tools/install-scanner.sh)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.scenarios.peers import REPOSITORY, PeerFailed

_COMMANDS = (
    "sslv2", "sslv3", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3", "compression", "reneg", "heartbleed", "openssl_ccs",
    "robot", "fallback", "elliptic_curves", "early_data",
)  # fmt: skip


def scan(ports: list[int], folder: Path, *, smtp: bool) -> dict[int, dict[str, Any]]:
    """Findings on each loopback port, by command; `smtp` begins with STARTTLS. PeerFailed when a scan ended early."""
    python = REPOSITORY / ".tools/sslyze/bin/python"
    if not python.exists():
        raise PeerFailed("sslyze is not installed; run tools/install-test-deps.sh")
    out = folder / f"scan-{'smtp' if smtp else 'tls'}.json"
    done = subprocess.run(
        [
            str(python), "-W", "ignore", "-m", "sslyze", "--quiet", "--slow_connection", "--mozilla_config=disable",
            f"--json_out={out}",
            *(["--starttls=smtp"] if smtp else []), *(f"--{c}" for c in _COMMANDS),
            *(f"127.0.0.1:{port}" for port in ports),
        ],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    if not out.exists():
        raise PeerFailed(f"sslyze: {done.stderr[-1500:]}")
    found: dict[int, dict[str, Any]] = {}
    for server in json.loads(out.read_text())["server_scan_results"]:
        results = server["scan_result"] or {}
        asked = {name: one for name, one in results.items() if one["status"] != "NOT_SCHEDULED"}
        if not asked or any(one["status"] != "COMPLETED" for one in asked.values()):
            why = str([one.get("error_trace") for one in asked.values() if one["status"] != "COMPLETED"])
            raise PeerFailed(f"sslyze did not finish: {server['server_location']}: {why[-1000:]}")
        found[server["server_location"]["port"]] = {name: one["result"] for name, one in asked.items()}
    return found
