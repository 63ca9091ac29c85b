"""Settings: each has an effect, and what cannot work is refused with a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

import msgspec
import pytest

import mailward
from mailward.app import forms, settings
from mailward.app.forms import Declared, declared
from mailward.app.settings import Settings, SettingsError
from mailward.app.usable import doubts, require_usable
from mailward.policy.tls import TlsPolicy

SOURCE = Path(mailward.__file__).parent
EVERY = list(declared(Settings))
# Of a list of sections the file holds all that its items need.
PROVIDER = {"name": "one", "client_id": "id", "client_secret_file": "/run/secret", "issuer": "https://id.example"}


def test_every_setting_is_read_somewhere() -> None:
    """One that nobody reads promises something and does nothing."""
    declared = re.compile(r"^    \w+: .*$", re.MULTILINE)
    text = "\n".join(declared.sub("", path.read_text()) for path in SOURCE.rglob("*.py"))
    read = set(re.findall(r"\.(\w+)", text)) | set(re.findall(r"\"(\w+)\"", text))
    assert len(EVERY) > 160
    assert [d.name for d in EVERY if d.name.rpartition(".")[2] not in read] == []


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


def toml(value: Any) -> str:
    """A value on one line, as TOML has it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value) if isinstance(value, str | bool) else repr(value)


def written(tmp_path: Path, setting: Declared, value: Any) -> str:
    """A settings file with one setting in it."""
    raw: dict[str, Any] = {}
    target, (*steps, last) = raw, setting.name.split(".")
    for step in steps:
        name, many, _ = step.partition("[]")
        target = target.setdefault(name, [dict(PROVIDER)] if many else {})
        target = target[0] if many else target
    target[last] = value
    file = tmp_path / "mailward.toml"
    file.write_text("".join(f"{name} = {toml(section)}\n" for name, section in raw.items()))
    return str(file)


def misfits(setting: Declared) -> Iterator[Any]:
    """Values of the right type that no setting of this form may have."""
    assert setting.form is not None
    form: Any = setting.form
    if isinstance(form, forms.Within):
        kind = int if setting.kind is int else float
        yield from (kind(form.least) - 1, kind(form.most) + 1, kind(10**18))
        if kind is float:
            yield from (float("nan"), float("inf"), float("-inf"))
        return
    bad = ["line\nbreak", "nul\0", "\x1b[31m", "x" * 5000]
    if not isinstance(form, forms.Text | forms.Secret | forms.Place):
        bad += ["two words and a ;"]
    if isinstance(form, forms.Each):
        if form.least:
            yield []
        yield from ([text] for text in bad[: 5 if not isinstance(form.form, forms.Text) else 4])
    elif isinstance(form, forms.Table):
        yield from ({text: "192.0.2.1"} for text in bad if len(text) < 100)
        yield from ({"example.com": text} for text in bad)
    else:
        yield from bad


def test_every_setting_has_a_form() -> None:
    """Bounds for a number, a form for a text, one for the items of a list: a new setting has to have one, too."""
    without = []
    for setting in EVERY:
        if setting.kind is bool:
            continue
        wanted: type[Any] = object
        if setting.kind in (int, float):
            wanted = forms.Within
        elif get_origin(setting.kind) is list:
            wanted = forms.Each
        elif get_origin(setting.kind) is dict:
            wanted = forms.Table
        else:
            assert setting.kind is str, setting.name
        if setting.form is None or not isinstance(setting.form, wanted) or not setting.form.allowed:
            without.append(setting.name)
    assert without == []


@pytest.mark.parametrize("setting", [s for s in EVERY if s.form is not None], ids=lambda s: s.name)
def test_what_has_not_the_form_is_refused_by_name(tmp_path: Path, setting: Declared) -> None:
    """Whatever else it would do: the sentence begins with the whole name, and secrets are not in it."""
    form: Any = setting.form
    name = setting.name.replace("[]", "[0]")
    tried = 0
    for value in misfits(setting):
        file = written(tmp_path, setting, value)
        with pytest.raises(SettingsError) as refused:
            settings.load(file, {})
        # msgspec refuses the largest integers by itself, and names the setting as well.
        assert re.match(rf"(\S+: )?{re.escape(name)}: ", str(refused.value)), (value, str(refused.value))
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 500
        if isinstance(form, forms.Secret):
            assert "line" not in str(refused.value).replace(form.allowed, "")
        tried += 1
    assert tried >= 3
    if setting.default not in (msgspec.UNSET, ["default"]):
        assert setting.default == "" or not form.amiss(setting.default)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[http]\nlisten = ["foo:80"]', "http.listen: write address:port"),
        ('[http]\nlisten = ["127.0.0.1:81", "127.0.0.1:81"]', "http.listen: port 81 of 127.0.0.1 is taken"),
        ('[http]\nlisten = ["0.0.0.0:81"]\n[mx]\nlisten = ["127.0.0.1:81"]', "mx.listen: port 81"),
        ('[server]\nworkers = "many"', "server.workers: Expected `int`"),
        ('[attachments]\nurl = "http://x"', "attachments.url: 'http://x' begins with none of"),
        ('[attachments]\nurl = "s3://b"\nendpoint = "http://192.0.2.1"', "attachments.endpoint: content leaves"),
        ('[backup]\nto = "s3://"', "backup.to: write scheme://bucket/prefix"),
        ("[server]\nlog = 5", "server.log: Expected `str`"),
        ('[delivery]\nroutes = { "a.example" = "b.example?tls=maybe" }', "delivery.routes: "),
    ],
)
def test_what_is_wrong_is_called_by_its_name(tmp_path: Path, text: str, why: str) -> None:
    """The section as it stands in the file, and not the one whose code it shares."""
    file = tmp_path / "mailward.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(why)):
        settings.load(str(file), {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server.hostname", "mx-1.example.com"),
        ("server.hostname", "xn--bcher-kva.example"),
        ("server.log", "WARNING"),
        ("server.user", ""),
        ("http.metrics", ""),
        ("server.hung_seconds", 0),
        ("http.listen", ["[::]:443"]),
        ("http.listen", ["127.0.0.1:0", "127.0.0.1:0"]),
        ("http.public_url", "https://mail.example.com:8443/"),
        ("delivery.resolvers", ["192.0.2.1", "192.0.2.1:5353", "::1", "[::1]:5353", "fe80::1%eth0"]),
        ("delivery.routes", {"*": "smarthost.example:587?tls=verify", "b.example": "[2001:db8::1]:25", "c": "relay_1"}),
        ("delivery.sources", ["192.0.2.1", "2001:db8::1"]),
        ("scanning.clamd", "/run/clamav/clamd.ctl"),
        ("scanning.clamd", "127.0.0.1:3310"),
        ("scanning.clamd", "clamd:3310"),
        ("scanning.rspamd", "http://[::1]:11333"),
        ("availability.api", "status.example.com:443"),
        ("submission.refused_attachments", [".exe", "ps1"]),
        ("limits.burst_factor", 0),
        ("tls.acme.contact", "mailto:hostmaster@example.com"),
    ],
)
def test_what_works_is_taken(tmp_path: Path, name: str, value: Any) -> None:
    """Each of the forms that are written in the documents, and those that programs were always able to read."""
    (setting,) = [s for s in EVERY if s.name == name]
    settings.load(written(tmp_path, setting, value), {})


def test_a_route_says_tls_as_the_policies_do() -> None:
    """The form of a route knows the words by heart."""
    assert {f"b.example?tls={p.value}": forms.Route().amiss(f"b.example?tls={p.value}") for p in TlsPolicy} == {
        f"b.example?tls={p.value}": "" for p in TlsPolicy
    }
    assert all(f"{p.value}" in forms.Route().allowed for p in TlsPolicy)


PATHS = [s for s in EVERY if isinstance(s.form, forms.Place) and s.form.kind]


@pytest.mark.parametrize("setting", PATHS, ids=lambda s: s.name)
def test_a_file_that_is_not_there_ends_the_start(tmp_path: Path, setting: Declared) -> None:
    """Every setting that names a file or a folder; what only `mailward up` makes is not asked for."""
    gone = tmp_path / "gone"
    file = written(tmp_path, setting, str(gone))
    where = re.escape(setting.name.replace("[]", "[0]"))
    if setting.name in ("tls.certificate", "tls.key"):
        Path(file).write_text(f'[tls]\ncertificate = "{gone}"\nkey = "{gone}"\n')
        where = "tls.certificate"
    with pytest.raises(SettingsError, match=rf"{where}: .*{re.escape(str(gone))}"):
        require_usable(settings.load(file, {}))


def test_files_are_what_they_have_to_be(tmp_path: Path) -> None:
    """A certificate is one, and its key fits; a list of places and a map of addresses can be read."""
    other = tmp_path / "other"
    other.write_text("root:x:0:0\n")
    for text, why in (
        (f'[tls]\ncertificate = "{other}"\nkey = "{other}"', "tls.certificate, tls.key: .*PEM"),
        (f'[geo]\ndatabase = "{other}"', "geo: "),
        (f'[geo]\nanonymisers = "{other}"', "geo: "),
        ('[storage]\nkind = "postgres"\nurl = "postgresql://a:secret@db.example.com/x"', "sslmode=verify-full"),
        ('[storage]\nkind = "postgres"\nurl = "mysql://a:secret@db.example.com/x"', "storage.url: "),
    ):
        (tmp_path / "mailward.toml").write_text(text)
        read = settings.load(str(tmp_path / "mailward.toml"), {})
        with pytest.raises(SettingsError, match=why) as refused:
            require_usable(read)
        assert "secret" not in str(refused.value)
    require_usable(Settings())


def test_what_is_hardly_meant_is_told(tmp_path: Path) -> None:
    """A network that is everything, an address that this machine does not have: they are used, with a warning."""
    (tmp_path / "mailward.toml").write_text(
        '[http]\ntrusted_proxies = ["0.0.0.0/0", "10.0.0.0/8"]\n[delivery]\nallow_networks = ["::/0"]\n'
        'sources = ["127.0.0.1", "192.0.2.77"]\n[webhooks]\nallow_networks = ["0.0.0.0/0"]\n'
    )
    read = settings.load(str(tmp_path / "mailward.toml"), {})
    require_usable(read)
    found = list(doubts(read))
    assert [name for name, _ in found] == [
        "http.trusted_proxies", "delivery.allow_networks", "webhooks.allow_networks", "delivery.sources"
    ]  # fmt: skip
    assert "192.0.2.77 is no address of this machine" in found[-1][1]
    assert not list(doubts(Settings()))


def of_the_environment(setting: Declared) -> str:
    """The name of the variable that sets it."""
    return "MAILWARD_" + setting.name.upper().replace(".", "__")


SINGLE = [s for s in EVERY if "[]" not in s.name]


def some_value(setting: Declared) -> Any:
    """One that is of the setting's type and none of its defaults."""
    if setting.kind is bool:
        return not setting.default
    if setting.kind in (int, float):
        return setting.kind(setting.default + 7)
    return {list: ["seven", "8"], dict: {"seven": "8"}}.get(get_origin(setting.kind), "7")


@pytest.mark.parametrize("setting", SINGLE, ids=lambda s: s.name)
def test_every_setting_is_a_variable_of_the_environment(tmp_path: Path, setting: Declared) -> None:
    """By its name in the file, at whatever depth; and from a file behind one more `_FILE`, also where its own name
    ends so."""
    value = some_value(setting)
    text = value if isinstance(value, str) else toml(value)
    held = tmp_path / "held"
    held.write_text(f"{text}\n")
    for environ in ({of_the_environment(setting): text}, {f"{of_the_environment(setting)}_FILE": str(held)}):
        raw: dict[str, Any] = {}
        settings._overlay(raw, environ)
        read = msgspec.convert(raw, Settings, strict=False)
        if f"{setting.name}_file" in {s.name for s in EVERY} and held.name in str(environ):
            assert forms.values_of(read, f"{setting.name}_file")[0][1] == str(held)  # a setting of that name wins
        else:
            assert forms.values_of(read, setting.name) == [(setting.name, value)]


def test_a_list_of_sections_is_one_variable(tmp_path: Path) -> None:
    """Written as in the file, on one line."""
    read = settings.load(None, {"MAILWARD_SIGN_IN__PROVIDER": f"[{toml(PROVIDER)}]", "HOME": str(tmp_path)})
    assert [p.name for p in read.sign_in.provider] == ["one"]


def test_what_a_variable_cannot_set_is_told(tmp_path: Path) -> None:
    """A table that the file has as something else, a file that is no text or is not there, a name that nobody knows."""
    file, binary = tmp_path / "mailward.toml", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for text, environ, why in (
        (
            'server = "x"',
            {"MAILWARD_SERVER__WORKERS": "2"},
            "server: a table is expected, and MAILWARD_SERVER__WORKERS",
        ),
        ('[tls]\nacme = "x"', {"MAILWARD_TLS__ACME__DIRECTORY": "x"}, "tls.acme: a table is expected"),
        ("", {"MAILWARD_STORAGE__URL_FILE": str(binary)}, "MAILWARD_STORAGE__URL_FILE: .* UTF-8"),
        ("", {"MAILWARD_STORAGE__URL_FILE": str(tmp_path / "no")}, "MAILWARD_STORAGE__URL_FILE: No such file"),
        ("", {"MAILWARD_STORAGE__URL_FILE": "nul\0"}, "MAILWARD_STORAGE__URL_FILE: "),
        ("", {"MAILWARD_TLS__ACME__DIRECTRY": "x"}, "tls.acme: Object contains unknown field `directry`"),
        ("", {"MAILWARD_SERVER__WORKERS": "many"}, "server.workers: Expected `int`"),
    ):
        file.write_text(text)
        with pytest.raises(SettingsError, match=why):
            settings.load(str(file), environ)
