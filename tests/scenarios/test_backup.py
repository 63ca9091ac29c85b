"""A platform that backs itself up, is lost with its machine, and comes back from a backup and the kept key file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "place"
    made.mkdir()
    return made


@pytest.fixture
def platform(place: Path) -> Iterator[Platform]:
    # Paused: what is sent waits in the queue, as on the day on which the machine is lost.
    with Platform(workers=1, paused=True, settings={"backup.to": str(place)}) as running:
        yield running


@pytest.mark.claim("AVAIL-5")
@pytest.mark.claim("AVAIL-6")
def test_a_lost_machine_comes_back(platform: Platform, place: Path, tmp_path: Path) -> None:
    """The first backup and its test come by themselves; restored, messages are read and the queue goes on.

    What was erased after that backup is erased again; what was accepted is there.
    """
    about = {"from": "ada@demo.mailward.test", "to": ["grace@example.com"], "subject": "kept"}
    ids = [platform.api("POST", "/v1/messages", {**about, "text": f"text {n}"})[1]["id"] for n in range(3)]
    raw = {id: platform.api("GET", f"/v1/messages/{id}/raw")[1] for id in ids}
    wait_until(lambda: "tested=True" in platform.log or '"tested": true' in platform.log, "a backup, and its test", 60)
    assert any(place.glob("backups/*.json"))
    made = platform.cli_json("backup", "create")["backup"]
    assert platform.cli("message", "erase", ids[0]).returncode == 0
    platform.cli_json("backup", "create")
    # The versions that backups were sealed under stay in the key file: it would open none of them any more.
    rotated = platform.cli_json("vault", "rotate", "--retire")
    assert (rotated["version"], rotated["retired"], rotated["kept_for_backups"]) == (2, [], [1])
    kept = tmp_path / "master.key"
    shutil.copy(platform.data / "keys" / "master.key", kept)

    platform.kill()
    shutil.rmtree(platform.data)
    assert not any(kept.read_bytes()[60:90] in p.read_bytes() for p in place.rglob("*") if p.is_file())
    done = platform.cli_json("backup", "restore", made, "--key", str(kept))
    assert (done["restored"], done["faults"], done["bodies"], done["erased_again"]) == (True, [], 3, 1)
    settings = platform.config.read_text()
    platform.config.write_text(settings.replace("paused = true", "paused = false"))
    platform.launch()

    assert platform.api("GET", f"/v1/messages/{ids[0]}")[0] == 404
    for id in ids[1:]:
        platform.wait_status(id, ("delivered",))
        assert platform.api("GET", f"/v1/messages/{id}/raw")[1] == raw[id]
