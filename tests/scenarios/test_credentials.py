"""Credentials through the whole platform: a burst pauses one and its owner releases it; a successor takes over."""

from __future__ import annotations

import json
import smtplib
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailward.app.context import choose
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.settings import load
from mailward.policy.bursts import DAY_SLOTS, slot_of
from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform(workers=2, settings={"limits.burst_floor": 10, "limits.burst_factor": 2}) as running:
        yield running


def _session(platform: Platform, user: str, password: str) -> smtplib.SMTP:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session = smtplib.SMTP("127.0.0.1", platform.starttls_port, timeout=10)
    session.starttls(context=context)
    try:
        session.login(user, password)
    except smtplib.SMTPException:
        session.close()
        raise
    return session


async def _used_to_send(platform: Platform, credential: str, recipients: int) -> None:
    """Two days ago it wrote to so many."""
    installation = Installation(load(str(platform.config), {}), worker=COMMAND_LINE + 902)
    await installation.open()
    workspace = await choose(installation.store, None)
    slot = slot_of(installation.clock.now().timestamp()) - 2 * DAY_SLOTS

    async def write(tx: Any) -> None:
        await tx.credentials.add_traffic(workspace, credential, slot, recipients)

    await installation.store.system_write(write)
    await installation.close()


@pytest.mark.claim("RATE-2")
async def test_a_burst_pauses_and_the_owner_releases(platform: Platform) -> None:
    """The open session and new ones get 450 4.7.1, other credentials go on; released, the same session sends."""
    made = platform.cli_json("smtp", "create", "bursting")
    user, password = made["username"], made["password"]
    await _used_to_send(platform, user, 3)
    message = "From: a@demo.mailward.test\r\nSubject: s\r\n\r\nt\r\n"
    with _session(platform, user, password) as session:
        to = [f"n{i}@example.com" for i in range(11)]
        session.sendmail("a@demo.mailward.test", to, message)

        def paused() -> bool:
            code, text = session.mail("a@demo.mailward.test")
            session.rset()
            return code == 450 and text.startswith(b"4.7.1")

        wait_until(paused, "the burst to be seen", 20)
        with _session(platform, user, password) as another:  # perhaps at the other worker, which looks for itself

            def paused_there() -> bool:
                code, _ = another.mail("a@demo.mailward.test")
                another.rset()
                return code == 450

            wait_until(paused_there, "the other session to be told", 5)
        with _session(platform, platform.smtp_user, platform.smtp_password) as innocent:
            assert innocent.mail("a@demo.mailward.test")[0] == 250
        _, page = platform.api("GET", "/v1/smtp-credentials?limit=100")
        shown = {c["id"]: c for c in page["data"]}[user]
        assert shown["paused_at"]
        assert shown["pause_reason"].startswith("11 recipients within ten minutes")
        _, log = platform.api("GET", "/v1/audit?act=credential.paused")
        assert [entry["target"] for entry in log["data"]] == [user]
        assert platform.cli("smtp", "release", user).returncode == 0
        wait_until(lambda: not paused(), "the release to be known", 5)
        session.sendmail("a@demo.mailward.test", to, message)


@pytest.mark.claim("KEYS-2")
def test_a_successor_takes_over_without_a_gap(platform: Platform) -> None:
    """Both keys send during the grace; with none left only the new one does, and a session of the old one ends."""
    body = {"from": "a@demo.mailward.test", "to": "b@example.com", "subject": "s", "text": "t"}
    old = platform.cli_json("key", "create", "rotating", "--scope", "send")
    new = platform.cli_json("key", "rotate", old["id"], "--grace", "1h")
    for key in (old, new):
        assert platform.api("POST", "/v1/messages", body, key=key["secret"])[0] == 202
    newest = platform.cli_json("key", "rotate", new["id"], "--grace", "0")
    wait_until(lambda: platform.api("POST", "/v1/messages", body, key=new["secret"])[0] == 401, "the end of a key", 3)
    for key in (old, newest):
        assert platform.api("POST", "/v1/messages", body, key=key["secret"])[0] == 202
    first = platform.cli_json("smtp", "create", "rotating")
    session = _session(platform, first["username"], first["password"])
    second = platform.cli_json("smtp", "rotate", first["username"], "--grace", "0")
    with _session(platform, second["id"], second["secret"]) as fresh:
        assert fresh.mail("a@demo.mailward.test")[0] == 250

    def ended() -> bool:
        try:
            code, _ = session.mail("a@demo.mailward.test")
            session.rset()
        except smtplib.SMTPServerDisconnected:
            return True
        return code in (421, 535)

    wait_until(ended, "the session of a credential that ended", 5)
    session.close()
    with pytest.raises(smtplib.SMTPAuthenticationError):
        _session(platform, first["username"], first["password"])


@pytest.mark.claim("KEYS-2")
def test_a_burst_of_revocations_disturbs_nobody_else(platform: Platform) -> None:
    """While keys are made and revoked without a pause, every new connection of an appliance is let in and every
    message of it accepted: what changed does not concern it."""
    over = threading.Event()
    revoked: list[int] = []

    def administer(number: int) -> None:
        while not over.is_set():
            made = platform.api("POST", "/v1/keys", {"name": f"short-{number}", "scopes": ["read"]})[1]
            revoked.append(platform.api("DELETE", f"/v1/keys/{made['id']}")[0])

    def send(number: int) -> int:
        for _ in range(15):
            with smtplib.SMTP("127.0.0.1", platform.private_port, timeout=30) as session:
                session.sendmail(
                    "a@demo.mailward.test", [f"n{number}@example.com"], "From: a@demo.mailward.test\r\n\r\n"
                )
        return 15

    with ThreadPoolExecutor(13) as pool:
        admins = [pool.submit(administer, n) for n in range(3)]
        senders = [pool.submit(send, n) for n in range(10)]
        try:
            assert sum(one.result() for one in senders) == 150
        finally:
            over.set()
        for one in admins:
            one.result()
    assert len(revoked) > 10
    assert set(revoked) == {204}


@pytest.mark.claim("AUTHN-9")
def test_the_shell_makes_keys_with_limits_and_workspaces_with_a_manager(platform: Platform) -> None:
    """A key for one domain that ends, and a further workspace whose manager has a link that works."""
    wish = ("--domain", "Other.example", "--network", "127.0.0.0/8", "--network", "2001:db8::/32", "--expires", "90d")
    made = platform.cli_json("key", "create", "limited", *wish)
    body = {"from": "a@demo.mailward.test", "to": ["b@example.com"], "subject": "s", "text": "t"}
    status, answer = platform.api("POST", "/v1/messages", body, key=made["secret"])
    assert (status, answer["code"]) == (403, "domain_not_allowed"), answer
    (listed,) = [k for k in platform.cli_json("key", "list") if k["id"] == made["id"]]
    assert (listed["domains"], listed["networks"]) == (["other.example"], ["127.0.0.0/8", "2001:db8::/32"])
    assert listed["expires_at"]
    further = platform.cli_json("workspace", "create", "Second", "--manager", "bob@second.test")
    assert {w["id"] for w in platform.cli_json("workspace", "list")} > {further["id"]}
    platform.cli_json("key", "create", "theirs", "--workspace", further["id"])
    assert platform.cli_json("key", "revoke-all", "--workspace", further["id"]) == {further["id"]: 1}
    assert "Second" in urllib.request.urlopen(further["invitation"], timeout=10).read().decode()


def test_a_request_begun_before_its_key_was_revoked_changes_nothing(platform: Platform) -> None:
    """Let in, and held open until the revocation was acknowledged: its last octets are answered 401, no key is made."""
    stolen = platform.made("/v1/keys", name="stolen", scopes=["admin"])
    body = json.dumps({"name": "kept", "scopes": ["admin"]}).encode()
    head = (
        f"POST /v1/keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stolen['secret']}\r\nContent-Length: {len(body)}"
    )
    rest = "Content-Type: application/json\r\nConnection: close\r\nExpect: 100-continue"
    with socket.create_connection(("127.0.0.1", platform.http_port), timeout=20) as held:
        held.sendall(f"{head}\r\n{rest}\r\n\r\n".encode())
        assert held.recv(100).startswith(b"HTTP/1.1 100")  # only who was let in is asked for the body
        held.sendall(body[:-1])
        assert platform.api("DELETE", f"/v1/keys/{stolen['id']}")[0] == 204
        held.sendall(body[-1:])
        answer = b"".join(iter(lambda: held.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 401")
    assert "kept" not in [key["name"] for key in platform.api("GET", "/v1/keys")[1]["data"]]
