"""A whole installation moves from the embedded store to PostgreSQL and a bucket, killed on the way, and moves back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.postgres_server import PostgresServer
from tests.scenarios.bucket import ServedBucket, served
from tests.scenarios.peers import stop
from tests.scenarios.platform import Platform


@pytest.fixture
def bucket(bucket_name: str, s3: int) -> Iterator[ServedBucket]:
    with served(bucket_name, s3) as made:
        yield made


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform(workers=1) as running:
        yield running


def message(n: int, **more: Any) -> dict[str, Any]:
    to = [f"{n}@example.com"]
    return {"from": "ada@demo.mailward.test", "to": to, "subject": f"number {n}", "text": f"text {n}" * n, **more}


def told(platform: Platform) -> dict[str, Any]:
    """What its owner can see of it: messages with their contents, explanations, lists."""
    paths = ["/v1/messages?limit=100", "/v1/domains", "/v1/suppressions", "/v1/webhooks", "/v1/usage", "/v1/sending"]
    for found in platform.api("GET", paths[0])[1]["data"]:
        paths += [f"/v1/messages/{found['id']}{part}" for part in ("", "/raw", "/explain", "/events")]
    return {path: platform.api("GET", path) for path in paths}


def settings_of(text: str, **replaced: str) -> str:
    """A settings file with some lines of it replaced."""
    for line, other in replaced.items():
        text = "\n".join(other if old.startswith(f"{line} = ") else old for old in text.split("\n"))
    return text


def migrate(source: Path, target: Path, *more: str, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command; killed after so many seconds."""
    command = [sys.executable, "-m", "mailward", "migrate-store", "--from", str(source), "--to", str(target), *more]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = running.communicate(timeout=seconds or 60)
    except subprocess.TimeoutExpired:
        running.kill()
        out, err = running.communicate()
    return subprocess.CompletedProcess(command, running.returncode, out, err)


def proves(platform: Platform, kept: Path) -> None:
    """Every tree of the audit log is whole, and goes on from a checkpoint kept before; so says an export, offline."""
    checked = platform.cli("audit", "check", "--checkpoint", str(kept))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    export = kept.with_name(f"export-{platform.config.stem}")
    assert platform.cli("audit", "export", str(export)).returncode == 0
    command = [sys.executable, "-m", "mailward", "audit", "verify", str(export), "--checkpoint", str(kept)]
    offline = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert offline.returncode == 0, offline.stdout + offline.stderr


@pytest.mark.timeout(180)
def test_everything_is_there_after_the_move(
    platform: Platform, bucket: ServedBucket, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """The API answers the same before and after, the audit log verifies, and mail goes on; after moving back, too."""
    ids = [
        platform.api("POST", "/v1/messages", message(n), Idempotency_Key=f"order-{n}")[1]["id"] for n in range(1, 21)
    ]
    later = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    platform.api("POST", "/v1/messages", message(99, scheduled_at=later))
    platform.api("POST", "/v1/suppressions", {"address": "no@example.com"})
    platform.api("POST", "/v1/webhooks", {"url": "http://127.0.0.1:9/", "events": ["message.bounced"]})
    for id in ids:
        platform.wait_status(id, ["delivered"])
    before = told(platform)
    kept = tmp_path / "checkpoint"
    kept.write_text(platform.cli("audit", "checkpoint").stdout)
    old, new, back = platform.config, tmp_path / "new.toml", tmp_path / "back.toml"
    database = asyncio.run(postgres_server.fresh_database())
    text = old.read_text()
    storage = {
        "kind": "postgres",
        "url": postgres_server.url("mailward_app", database),
        "owner_url": postgres_server.url("mailward_owner", database),
        "plaintext": ["127.0.0.1"],
    }
    objects = {key.partition(".")[2]: value for key, value in bucket.settings().items()}
    sections = {"storage": storage, "objects": objects}
    new.write_text(
        settings_of(text, data=f'data = "{tmp_path / "node"}"')
        + "".join(
            f"\n[{name}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items()) + "\n"
            for name, values in sections.items()
        )
    )
    back.write_text(settings_of(text, data=f'data = "{tmp_path / "back"}"'))

    refused = migrate(old, new)
    assert refused.returncode == 3
    assert "another mailward runs" in refused.stderr
    stop(platform.process, 45)
    for seconds in (1.0, 1.4, 1.8):
        assert migrate(old, new, seconds=seconds).returncode in (-9, 0)
    moved = migrate(old, new, "--json")
    assert moved.returncode == 0, moved.stderr + moved.stdout[-2000:]
    outcome = json.loads(moved.stdout)
    assert outcome["equal"]
    assert outcome["finished"]
    assert outcome["bodies"]["opened"] == outcome["bodies"]["named"] == 21
    assert "messages: 21 of 21" in moved.stderr
    assert migrate(old, new, "--verify-only", "--check", "sample").returncode == 0

    platform.config = new
    platform.launch()
    assert told(platform) == before
    assert platform.api("POST", "/v1/messages", message(3), Idempotency_Key="order-3")[1]["id"] == ids[2]
    proves(platform, kept)
    platform.wait_status(platform.api("POST", "/v1/messages", message(30))[1]["id"], ["delivered"])
    before = told(platform)
    stop(platform.process, 45)

    moved = migrate(new, back)
    assert moved.returncode == 0, moved.stderr + moved.stdout[-2000:]
    platform.config = back
    platform.launch()
    assert told(platform) == before
    assert platform.api("POST", "/v1/messages", message(4), Idempotency_Key="order-4")[1]["id"] == ids[3]
    proves(platform, kept)
