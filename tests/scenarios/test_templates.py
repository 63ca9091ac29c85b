"""Templates through every real door of one platform: pushed by the command line, sent by the API and over SMTP."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.platform import Platform


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """One in capture mode."""
    with Platform(workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def pushed(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A layout and a template under it, from a file and a folder."""
    folder: Path = tmp_path_factory.mktemp("t")
    frame = {"html": "<style>p { color: red }</style><div>{{ content }}</div>"}
    (folder / "frame.json").write_text(json.dumps(frame))
    welcome = folder / "welcome"
    welcome.mkdir()
    (welcome / "subject.txt").write_text("Welcome, {{ name }}\n")
    (welcome / "html.html").write_text("<p>Dear {{ name }},</p>\n{% for x in lines %}<p>{{ x }}</p>{% endfor %}")
    (welcome / "sample.json").write_text('{"name": "Ada", "lines": ["one"]}')
    platform.cli_json("template", "push", str(folder / "frame.json"), "--publish")
    made = platform.cli_json("template", "push", str(welcome), "--layout", "frame", "--publish")
    assert made["version"] == 1


def content(platform: Platform, message: str) -> Any:
    """What was accepted."""
    status, found = platform.api("GET", f"/v1/messages/{message}/content")
    assert status == 200
    return found


def over_smtp(platform: Platform, **fields: str) -> tuple[int, str]:
    """The reply to a message with these header fields."""
    mail = EmailMessage()
    mail["From"], mail["To"] = f"a@{platform.domain}", "b@example.com"
    for name, value in fields.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("never seen")
    with smtplib.SMTP("127.0.0.1", platform.private_port, timeout=20) as smtp:
        try:
            smtp.ehlo()
            smtp.mail(mail["From"])
            smtp.rcpt(mail["To"])
            code, said = smtp.data(mail.as_bytes(policy=policy.SMTP))
        except smtplib.SMTPDataError as e:
            code, said = e.smtp_code, e.smtp_error if isinstance(e.smtp_error, bytes) else e.smtp_error.encode()
    return code, said.decode()


@pytest.mark.usefixtures("pushed")
def test_the_api_sends_what_a_template_renders_to(platform: Platform) -> None:
    """Escaped, with the style in the elements and a text that was made; a broken one is refused with its line."""
    request = {"from": f"a@{platform.domain}", "to": ["b@example.com"], "template": "welcome"}
    data = {"name": "<Bo>", "lines": ["x"]}
    status, told = platform.api("POST", "/v1/messages", {**request, "data": data}, key=platform.send_key)
    assert status == 202, told
    found = content(platform, told["id"])
    assert "color:red" in found["html"].replace(" ", "")
    assert "&lt;Bo&gt;" in found["html"]
    assert found["text"].startswith("Dear <Bo>,")
    status, told = platform.api("POST", "/v1/messages", {**request, "data": {"name": "Bo"}}, key=platform.send_key)
    assert (status, told["code"]) == (422, "template_error")
    assert "(html, line 2): `lines` is undefined" in told["detail"]


@pytest.mark.usefixtures("pushed")
def test_smtp_sends_what_the_header_names(platform: Platform) -> None:
    """The body of the client is replaced and the header is gone; what does not render is 550 with its line."""
    code, said = over_smtp(platform, X_Mailward_Template="welcome", X_Mailward_Data='{"name": "Bo", "lines": []}')
    assert code == 250, said
    message = next(word for word in said.split() if word.startswith("msg_"))
    _, raw = platform.api("GET", f"/v1/messages/{message}/raw")
    assert b"Subject: Welcome, Bo\r\n" in raw
    assert b"never seen" not in raw
    assert b"mailward-data" not in raw.lower()
    code, said = over_smtp(platform, X_Mailward_Template="welcome", X_Mailward_Data="{}")
    assert code == 550
    assert "is undefined" in said
    assert over_smtp(platform, X_Mailward_Template="welcome", X_Mailward_Data="{")[0] == 550
    assert over_smtp(platform, X_Mailward_Template="nowhere")[0] == 550
    assert over_smtp(platform, X_Mailward_Data="{}")[0] == 550


@pytest.mark.usefixtures("pushed")
def test_the_command_line_shows_and_previews(platform: Platform) -> None:
    """The draft with its sample, and the list."""
    assert [t["name"] for t in platform.cli_json("template", "list")["data"]] == ["frame", "welcome"]
    assert platform.cli_json("template", "preview", "welcome")["subject"] == "Welcome, Ada"
    way = ("template", "send-test", "welcome", "--to", "jo@example.org", "--from")
    sent = platform.cli_json(*way, "hello@demo.mailward.test")
    _, raw = platform.api("GET", f"/v1/messages/{sent['id']}/raw")
    assert b"Subject: [Test] Welcome, Ada" in raw
    refused = platform.cli(*way, "hello@elsewhere.example")
    assert refused.returncode == 1 and "Refused" in refused.stderr
    _, keys = platform.api("GET", "/v1/keys?limit=100")
    assert not [k for k in keys["data"] if "send-test" in k["name"] and not k.get("revoked_at")]
