"""What settings name beyond themselves: files, certificates, addresses of this machine. Asked before a start."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

from mailward.app import forms
from mailward.app.identity_providers import ProvidersError
from mailward.app.settings import Settings, SettingsError

# A file may be one that only the user of the platform reads: whoever asks then is told by the start itself.
_MAY_NOT_LOOK = PermissionError


def require_usable(settings: Settings) -> None:
    """SettingsError, naming the setting, when what one names is not there or is not what it has to be."""
    for setting in forms.declared(Settings):
        if isinstance(setting.form, forms.Place) and setting.form.kind:
            for name, value in forms.values_of(settings, setting.name):
                if value:
                    _require_place(name, Path(value), setting.form.kind)
    _require_certificate(settings)
    if settings.geo.database or settings.geo.networks or settings.geo.anonymisers:
        _require_places(settings)
    for provider in settings.sign_in.provider:
        try:
            provider.provider()
        except ProvidersError as e:
            if not isinstance(e.__cause__, _MAY_NOT_LOOK):
                raise SettingsError(str(e)) from e
    if settings.storage.kind == "postgres":
        from mailward.app.stores import access_of

        access_of(settings)
        if settings.storage.owner_url:
            access_of(settings, owner=True)


def doubts(settings: Settings) -> Iterator[tuple[str, str]]:
    """(setting, why) of what is accepted and hardly meant."""
    for where, networks, what in (
        ("http.trusted_proxies", settings.http.trusted_proxies, "everybody may say which address a request is from"),
        ("mx.proxies", settings.mx.proxies, "everybody has to open with PROXY, and may say where they come from"),
        ("submission.private_networks", settings.submission.private_networks, "everybody counts as a private network"),
        ("delivery.allow_networks", settings.delivery.allow_networks, "mail is delivered to private addresses, too"),
        ("webhooks.allow_networks", settings.webhooks.allow_networks, "endpoints may be at private addresses, too"),
    ):
        for network in networks:
            if not ip_network(network).prefixlen:
                yield where, f"{network} is every address: {what}"
    for source in settings.delivery.sources:
        if not _is_ours(source):
            yield "delivery.sources", f"{source} is no address of this machine: what is sent from it stays queued"


def _require_place(name: str, path: Path, kind: str) -> None:
    try:
        there = path.is_dir() if kind == "folder" else path.is_file()
        if there and kind == "file":
            path.open("rb").close()
    except _MAY_NOT_LOOK:
        return
    except OSError as e:
        raise SettingsError(f"{name}: {e.strerror}: {path}") from e
    if not there:
        raise SettingsError(f"{name}: there is no {kind} {path}")


def _require_certificate(settings: Settings) -> None:
    certificate, key = settings.tls.certificate, settings.tls.key
    if not certificate:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password for the key nobody is asked for one.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except _MAY_NOT_LOOK:
        return
    except (OSError, ValueError) as e:
        why = getattr(e, "reason", None) or getattr(e, "strerror", None) or str(e)
        raise SettingsError(
            f"tls.certificate, tls.key: {certificate} and {key} are not a certificate and its own key, unencrypted, in "
            f"PEM form ({why})"
        ) from e


def _require_places(settings: Settings) -> None:
    from mailward.app.guard.places import Places

    try:
        Places(settings.geo)
    except _MAY_NOT_LOOK:
        return
    except (OSError, ValueError) as e:
        raise SettingsError(f"geo: {e}") from e


def _is_ours(address: str) -> bool:
    import socket

    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
