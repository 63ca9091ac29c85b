"""`mailward doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from mailward.adapters.vault.multibuffer import able
from mailward.app.commands.authority import examine_authority
from mailward.app.commands.backup_place import examine_backup
from mailward.app.commands.bucket import examine_objects
from mailward.app.commands.finding import Finding
from mailward.app.commands.output import Config, Json, print_json
from mailward.app.commands.storage import examine_storage
from mailward.app.settings import Settings, SettingsError, load, split_address
from mailward.app.signing import signing_library
from mailward.app.usable import doubts, require_usable


def doctor(*, config: Config = None, json: Json = False) -> int:
    """Look at settings, data, keys, disk, ports, TLS, clock and DNS. Exits 1 when something is wrong."""
    settings = load(config, os.environ)
    findings = list(examine(settings))
    if json:
        print_json([f._asdict() for f in findings])
    else:
        for f in findings:
            print(f"{f.state:<8}{f.what}: {f.found}" + (f"\n        {f.advice}" if f.advice else ""))
    return 1 if any(f.state == "wrong" for f in findings) else 0


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, in the order in which to mend them."""
    mode = "capture mode: nothing leaves this machine" if settings.capture else settings.server.hostname
    yield Finding("mode", "ok", mode, "" if not settings.capture else "Set server.hostname to send to the world.")
    try:
        require_usable(settings)
    except SettingsError as e:
        yield Finding("settings", "wrong", str(e), "`mailward up` ends with this.")
    for name, why in doubts(settings):
        yield Finding(name, "warning", why)
    yield from _data(settings)
    yield from examine_storage(settings)
    yield from examine_objects(settings.objects)
    yield from examine_backup(settings.backup, settings.data)
    yield from _ports(settings)
    yield from _tls(settings)
    yield from _signatures(settings)
    now = time.time()
    sane = 1_750_000_000 < now < 4_000_000_000
    yield Finding("clock", "ok" if sane else "wrong", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)),
                  "" if sane else "Set the clock; run a time service.")  # fmt: skip
    if not settings.capture:
        yield from _names(settings)
    if os.geteuid() == 0 and not settings.capture:
        yield Finding("user", "warning", "root", "Workers become server.user; the commands run as root need not.")


def _data(settings: Settings) -> Iterator[Finding]:
    data = settings.data
    if not data.is_dir():
        yield Finding("data", "warning", f"{data} does not exist", "Start once with `mailward up`.")
        return
    free = shutil.disk_usage(data).free
    yield Finding("disk", "ok" if free > 1 << 30 else "wrong", f"{free >> 20} MiB free in {data}",
                  "" if free > 1 << 30 else "Free at least 1 GiB: mail is refused when there is no room.")  # fmt: skip
    key = data / "keys" / "master.key"
    if key.is_file():
        private = key.stat().st_mode & 0o077 == 0
        yield Finding("key file", "ok" if private else "wrong", f"{key} mode {key.stat().st_mode & 0o777:o}",
                      "Keep a copy apart from backups of the data." if private else f"chmod 600 {key}")  # fmt: skip
    else:
        yield Finding("key file", "warning", "none yet", "Start once with `mailward up`.")


def _ports(settings: Settings) -> Iterator[Finding]:
    s = settings
    for name, listen in (
        ("http", s.http.listen), ("submission", s.submission.starttls), ("submissions", s.submission.implicit),
        ("private submission", s.submission.private), ("mx", s.mx.listen),
    ):  # fmt: skip
        for text in listen:
            address, port = split_address(text)
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - a comparison
            try:
                with socket.create_connection((host, port), 2):
                    yield Finding(name, "ok", f"{text} answers")
            except OSError as e:
                yield Finding(name, "warning", f"{text}: {e.strerror or e}", "Is the platform running?")


def _tls(settings: Settings) -> Iterator[Finding]:
    if settings.tls.acme.directory:
        yield from examine_authority(settings)
        return
    own = bool(settings.tls.certificate)
    path = Path(settings.tls.certificate) if own else settings.data / "tls" / "self-signed.pem"
    if not path.is_file():
        yield Finding("certificate", "wrong" if own else "warning", f"{path} does not exist")
        return
    held = x509.load_pem_x509_certificate(path.read_bytes())
    days = (held.not_valid_after_utc.timestamp() - time.time()) / 86400
    state = "ok" if days > 14 else "wrong" if days < 0 else "warning"
    advice = "" if own or settings.capture else "Self-signed: set tls.acme, or your own files (docs/certificates.md)."
    yield Finding("certificate", state, f"{path}, {days:.0f} days left, {ssl.OPENSSL_VERSION}", advice)


def _signatures(settings: Settings) -> Iterator[Finding]:
    if "sender" not in settings.server.roles or not settings.delivery.sign:
        return
    if signing_library(settings) is not None:
        yield Finding("signatures", "ok", "for several messages at once")
    elif settings.delivery.multibuffer and able():
        yield Finding("signatures", "ok", "one by one",
                      "This processor can make several at once: install requirements/multibuffer.txt.")  # fmt: skip
    else:
        yield Finding("signatures", "ok", "one by one")


def _names(settings: Settings) -> Iterator[Finding]:
    name = settings.server.hostname
    try:
        addresses = sorted({str(i[4][0]) for i in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except OSError as e:
        yield Finding("host name", "wrong", f"{name}: {e.strerror or e}", f"Publish an A or AAAA record for {name}.")
        return
    yield Finding("host name", "ok", f"{name} is {', '.join(addresses)}")
    for address in addresses:
        try:
            back = socket.gethostbyaddr(address)[0]
        except OSError:
            back = ""
        good = back.lower().rstrip(".") == name.lower()
        yield Finding("reverse name", "ok" if good else "warning", f"{address} is {back or 'nothing'}",
                      "" if good else f"Ask your provider for the PTR record {address} -> {name}.")  # fmt: skip
