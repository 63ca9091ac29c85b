"""Two customers of one installation write to each other: the mail stays here, and comes to the other's webhook."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.peers import tool, wait_until
from tests.scenarios.platform import Platform
from tests.scenarios.test_receiving import Endpoint

FIRST, SECOND, LOST = "first.test", "second.test", "lost.test"
US = f"mail.{FIRST}"


class Installation:
    """A platform with a host name; two workspaces, each with a domain whose MX it is, and a route for anybody in it."""

    def __init__(self, folder: Path) -> None:
        self.endpoint = Endpoint()
        self.certificate, key = folder / "cert.pem", folder / "key.pem"
        subprocess.run(
            [tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=endpoint", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key),
             "-out", str(self.certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.endpoint.server.socket = context.wrap_socket(self.endpoint.server.socket, server_side=True)
        self.platform = Platform(
            domain=FIRST,
            workers=2,
            settings={"delivery.allow_networks": [], "webhooks.allow_networks": ["127.0.0.0/8"]},
        )
        self.platform._zone += [f"{name}. 60 IN MX 10 {US}." for name in (FIRST, SECOND, LOST)] + [
            f"{US}. 60 IN A 127.0.0.1"
        ]

    def furnish(self) -> None:
        """The second workspace, its domain, both routes."""
        p = self.platform
        workspace = p.cli_json("workspace", "create", "Second")["id"]
        self.key = p.cli_json("key", "create", "second", "--scope", "admin", "--workspace", workspace)["secret"]
        p.verify_domain(SECOND, self.key)
        for domain, key in ((FIRST, p.admin_key), (SECOND, self.key)):
            body = {
                "domain": domain,
                "kind": "catch_all",
                "pattern": "",
                "url": self.endpoint.url.replace("http:", "https:") + "/in",
            }
            status, said = p.api("POST", "/v1/routes", body, key=key)
            assert status == 201, said

    def send(self, sender: str, to: str, subject: str, key: str) -> dict[str, Any]:
        """The message once it has ended."""
        body = {"from": sender, "to": [to], "subject": subject, "text": "hello"}
        status, said = self.platform.api("POST", "/v1/messages", body, key=key)
        assert status == 202, said
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(self.platform.api("GET", f"/v1/messages/{said['id']}/explain", key=key)[1])
            return all(d["status"] in ("delivered", "bounced") for d in found["deliveries"])

        wait_until(ended, f"{subject} to end: {found}", 20)
        return found


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("endpoint"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(made.certificate))
        with made.platform:
            made.furnish()
            time.sleep(1)  # workers look for changes four times a second
            yield made
    made.endpoint.server.shutdown()
    made.endpoint.server.server_close()


def test_tenants_write_to_each_other(installation: Installation) -> None:
    """Each one's mail is delivered to our own MX over TLS, though on loopback, and posted to the other's route."""
    key = installation.platform.admin_key
    for sender, to, who in ((FIRST, SECOND, key), (SECOND, FIRST, installation.key)):
        sent = installation.send(f"a@{sender}", f"b@{to}", f"to {to}", who)
        (delivery,) = sent["deliveries"]
        assert delivery["status"] == "delivered", sent
        came = installation.endpoint.about(f"to {to}")
        assert came["envelope"]["recipients"] == [f"b@{to}"] and came["envelope"]["tls_version"] == "TLSv1.3"


def test_a_domain_that_nobody_here_receives_for_is_a_loop(installation: Installation) -> None:
    """Its MX says that it is ours, and no customer has it: the message bounces, and the address is not suppressed."""
    sent = installation.send(f"a@{FIRST}", f"b@{LOST}", "lost", installation.platform.admin_key)
    (delivery,) = sent["deliveries"]
    assert (delivery["status"], delivery["attempts"][-1]["reason"]) == ("bounced", "loop")
    assert not installation.platform.api("GET", "/v1/suppressions")[1]["data"]


def test_an_address_that_does_not_exist_here_bounces(installation: Installation) -> None:
    """What our own MX refuses is a refusal like any other."""
    platform = installation.platform
    (route,) = [r for r in platform.api("GET", "/v1/routes", key=installation.key)[1]["data"] if r["domain"] == SECOND]
    assert platform.api("DELETE", f"/v1/routes/{route['id']}", key=installation.key)[0] == 204
    time.sleep(1)
    sent = installation.send(f"a@{FIRST}", f"nobody@{SECOND}", "nobody", platform.admin_key)
    (delivery,) = sent["deliveries"]
    assert (delivery["status"], delivery["attempts"][-1]["reason"]) == ("bounced", "bad_mailbox"), sent
