"""Settings: each has an effect, and what cannot work is refused with a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import mailward
from mailward.app import settings
from mailward.app.settings import Settings, SettingsError

SOURCE = Path(mailward.__file__).parent


def fields(struct: type[msgspec.Struct], where: str) -> list[tuple[str, str]]:
    """(dotted name, name) of every setting below."""
    out = []
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            out += fields(field.type, f"{where}{field.name}.")
        else:
            out.append((where + field.name, field.name))
    return out


def test_every_setting_is_read_somewhere() -> None:
    """One that nobody reads promises something and does nothing."""
    declared = re.compile(r"^    \w+: .*$", re.MULTILINE)
    text = "\n".join(declared.sub("", path.read_text()) for path in SOURCE.rglob("*.py"))
    read = set(re.findall(r"\.(\w+)", text)) | set(re.findall(r"\"(\w+)\"", text))
    every = fields(Settings, "")
    assert len(every) > 80
    assert [dotted for dotted, name in every if name not in read] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[limits]\nauth_failures_per_minute_ip = 0", "limits.auth_failures_per_minute_ip: at least 1"),
        ("[limits]\nmessages_per_minute = -1", "limits.messages_per_minute: at least 0"),
        ("[submission]\nidle_seconds = 0", "submission.idle_seconds: at least 1"),
        ("[submission]\nmax_recipients = 0", "submission.max_recipients: at least 1"),
        ("[submission]\nmax_message_bytes = -5", "submission.max_message_bytes: at least 1"),
        ("[limits]\nsmtp_content_bytes = 100_000_000", "limits.smtp_content_bytes: at least four messages of 41943040"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """With the name of the setting, when the program starts and by `mailward config check`."""
    file = tmp_path / "mailward.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(why)):
        settings.load(str(file), {})
