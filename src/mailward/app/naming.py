"""The names customers' DNS records point at, from the settings."""

from __future__ import annotations

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
    )


def report_address(hostname: str) -> str:
    """The address at our own name that reports of weaknesses are written to (RFC 2142 section 4)."""
    return f"security@{hostname}".lower()
