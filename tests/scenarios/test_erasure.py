"""Erasing through the running platform's doors, and the terms a workspace sets itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailward.adapters.storage.records import HEAD, MAGIC
from mailward.base import ids
from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform(workers=2) as running:
        yield running


def send(platform: Platform, subject: str) -> str:
    """A message that was delivered; its id."""
    mail = {"from": "a@demo.mailward.test", "to": "someone@example.com", "subject": subject, "text": "t"}
    _, sent = platform.api("POST", "/v1/messages", mail)
    platform.wait_status(sent["id"], ["delivered"])
    return str(sent["id"])


def sealed_octets(platform: Platform, message: str) -> bytes:
    """The ciphertext of a message in whichever segment holds it."""
    raw = ids.decode("msg", message)
    for path in sorted((platform.data / "segments").glob("*.seg")):
        octets = path.read_bytes()
        at = octets.find(raw)
        if at >= 0:
            start = octets.rindex(MAGIC, 0, at)
            length = int.from_bytes(octets[start + 4 : start + 8], "big")
            return octets[start + HEAD : start + HEAD + 12 + length]
    raise AssertionError("no segment holds the message")


@pytest.mark.claim("PRIVACY-1")
def test_an_erased_message_is_gone_from_every_door_and_from_the_disk(platform: Platform) -> None:
    """By API and by command line: 404 everywhere, zeros where it lay, an entry in the audit log."""
    by_api, by_command, kept = (send(platform, f"erasure {n}") for n in range(3))
    assert set(sealed_octets(platform, by_api)) != {0}
    assert platform.api("DELETE", f"/v1/messages/{by_api}")[0] == 204
    done = platform.cli("message", "erase", by_command)
    assert done.returncode == 0, done.stderr
    for message in (by_api, by_command):
        wait_until(lambda message=message: set(sealed_octets(platform, message)) == {0}, "zeros", 40)  # type: ignore[misc]
        for path in ("", "/raw", "/content", "/explain", "/events"):
            assert platform.api("GET", f"/v1/messages/{message}{path}")[0] == 404, path
        assert platform.api("DELETE", f"/v1/messages/{message}")[0] == 404
    assert platform.cli("message", "erase", by_api).returncode == 1
    assert platform.api("GET", f"/v1/messages/{kept}/content")[0] == 200
    acts = platform.api("GET", "/v1/audit?act=message.erased")[1]["data"]
    assert {a["target"] for a in acts} == {by_api, by_command}
    listed = platform.api("GET", "/v1/messages")[1]["data"]
    assert [m["id"] for m in listed] == [kept]


@pytest.mark.claim("PRIVACY-1")
def test_terms_are_set_by_api_and_command_and_seen_by_both(platform: Platform) -> None:
    """One truth behind every door; a term that makes no sense changes nothing."""
    assert platform.api("PATCH", "/v1/workspace/retention", {"content_days": 7})[1]["content_days"] == 7
    assert platform.cli_json("workspace", "retention")["own_content_days"] == 7
    assert platform.cli_json("workspace", "retention", "--messages-days", "30")["messages_days"] == 30
    assert platform.cli("workspace", "retention", "--content-days", "31").returncode == 1
    back = platform.cli_json("workspace", "retention", "--messages-days", "default", "--content-days", "default")
    assert (back["messages_days"], back["content_days"]) == (60, 60)
    status, told = platform.api("PATCH", "/v1/workspace/retention", {"messages_days": 0})
    assert (status, told["field"]) == (422, "messages_days")
    assert platform.api("GET", "/v1/workspace/retention")[1]["own_messages_days"] is None
