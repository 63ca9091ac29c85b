"""Settings of receiving that cannot be used are refused with the name of the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailward.app.receiving import default_listen
from mailward.app.settings import SettingsError, load


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[mx]\nmax_recipients = 99", "mx.max_recipients"),
        ("[mx]\nmax_message_bytes = 1000", "mx.max_message_bytes"),
        ('[mx]\nproxies = ["10.0.0.1/8"]', "mx.proxies"),
        ('[mx]\ndmarc = "reject"', "mx.dmarc"),
        ('[scanning]\nspam = "drop"', "scanning.spam"),
        ('[scanning]\nmalware = "mark"', "scanning.malware"),
        ("[scanning]\nexaminers = 0", "scanning.examiners"),
        ('[scanning]\nrules = "/nowhere/at/all"', "scanning.rules"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, word: str) -> None:
    """Each names the key."""
    file = tmp_path / "mailward.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=word):
        load(str(file), {})
    file.write_text(text.partition("\n")[0])
    load(str(file), {})


def test_where_it_listens(tmp_path: Path) -> None:
    """Loopback 2525 in capture mode; with a hostname port 25 on all addresses, as far as that may be bound."""
    assert default_listen(True) == ["127.0.0.1:2525"]
    assert default_listen(False)[0] in ("0.0.0.0:25", "0.0.0.0:2525")
    file = tmp_path / "mailward.toml"
    file.write_text('[mx]\nlisten = ["127.0.0.1:x"]\n')
    with pytest.raises(SettingsError, match=r"mx\.listen"):
        load(str(file), {})
    file.write_text('[mx]\nlisten = ["127.0.0.1:3025"]\nmax_connections_per_ip = 7\n')
    settings = load(str(file), {"MAILWARD_SCANNING__CLAMD": "/run/clamd.sock"})
    assert (settings.mx.listen, settings.mx.max_connections_per_ip) == (["127.0.0.1:3025"], 7)
    assert settings.scanning.clamd == "/run/clamd.sock"


@pytest.mark.parametrize(("said", "listens"), [("", ["127.0.0.1:2525"]), ("[mx]\nlisten = []\n", [])])
def test_an_empty_list_of_listeners_means_nowhere(tmp_path: Path, said: str, listens: list[str]) -> None:
    """Only where nothing is said does the MX listen where it usually does."""
    file = tmp_path / "mailward.toml"
    file.write_text(said)
    assert load(str(file), {}).mx.listen == listens
