"""The names customers' DNS records point at, from the settings."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from mailward.app.settings import Settings
from mailward.core.domains.model import InstallationNames


def installation_names(settings: Settings) -> InstallationNames:
    """SPF include host, bounce host and MX of this installation; all below its host name."""
    hostname = settings.hostname
    return InstallationNames(
        spf_host=f"spf.{hostname}",
        bounce_host=f"bounce.{hostname}",
        mx_hosts=(hostname,),
        sources=tuple(settings.delivery.sources),
        web_host=web_host(settings.http.public_url),
    )


def web_host(public_url: str) -> str:
    """The name of the web listener that others' names can lead to; "" when it is reached by an address or locally."""
    host = (urlsplit(public_url).hostname or "").lower()
    local = "." not in host or host.rpartition(".")[2] in ("localhost", "test", "invalid") or _is_address(host)
    return "" if local else host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def report_address(hostname: str) -> str:
    """The address at our own name that reports of weaknesses are written to (RFC 2142 section 4)."""
    return f"security@{hostname}".lower()
