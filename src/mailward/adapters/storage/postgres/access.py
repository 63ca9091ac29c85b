"""How the server is reached: its address, and TLS that was verified or no connection at all."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

_SCHEMES = frozenset(("postgresql", "postgres"))
_KNOWN = frozenset(("host", "port", "sslmode", "sslrootcert", "user", "password", "dbname"))


class AccessRefused(Exception):
    """The address cannot be used; the text says what to change and holds no password."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where and how to connect. `url` is a PostgreSQL URI, with its password."""

    url: str = field(repr=False)
    ca: str = ""
    """PEM file with authorities that may vouch for the server; empty: the URI's `sslrootcert`, else the system's."""
    plaintext: tuple[str, ...] = ()
    """Loopback addresses where TLS is not asked for, each named on purpose."""
    unjudged: bool = False
    """For `mailward verify`, whose findings these are: a loopback address that nobody listed is reached as the URI
    says, and the server is used as it is. What leaves the machine is verified all the same."""
    pooler: bool = False
    """Behind a pooler that hands every transaction to another session: nothing may outlive a transaction."""

    def tls(self) -> ssl.SSLContext | None:
        """The context every connection uses; None for a Unix socket or a listed loopback address.

        Raises AccessRefused unless the URI says `sslmode=verify-full`: anything less can be
        answered by whoever stands in between.
        """
        hosts, query = _hosts(self.url)
        for host in self.plaintext:
            if not _loopback(host):
                raise AccessRefused(f"storage.plaintext: {host} is not a loopback address")
        if all(_local(host) or host in self.plaintext for host in hosts):
            return None
        mode = query.get("sslmode", [""])[-1]
        if self.unjudged and mode != "verify-full" and all(_local(host) or _loopback(host) for host in hosts):
            return None
        if mode != "verify-full":
            raise AccessRefused(
                f"storage.url: it says sslmode={mode or 'nothing'}; it has to say sslmode=verify-full, so that the "
                "server's certificate and name are checked (a Unix socket, or a loopback address in "
                "storage.plaintext, needs none)"
            )
        if any(_local(host) for host in hosts):
            raise AccessRefused("storage.url: it mixes a Unix socket with other hosts")
        cafile = self.ca or query.get("sslrootcert", [""])[-1]
        try:
            context = ssl.create_default_context(cafile=cafile if cafile not in ("", "system") else None)
        except OSError as e:
            raise AccessRefused(f"storage.ca: {cafile}: {e.strerror or e}") from e
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def where(self) -> str:
        """Hosts and database for people, without user or password."""
        hosts, _ = _hosts(self.url)
        return f"{','.join(hosts)}{urlsplit(self.url).path}"


def _hosts(url: str) -> tuple[Sequence[str], dict[str, list[str]]]:
    """Every host a URI names, ports cut off, and its query."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise AccessRefused("storage.url: expected postgresql://user@host/database")
    query = parse_qs(parts.query)
    if unknown := set(query) - _KNOWN:
        raise AccessRefused(f"storage.url: {sorted(unknown)[0]} is not a parameter that is used here")
    listed = parts.netloc.rpartition("@")[2]
    found = [_without_port(h) for h in listed.split(",") if h]
    found += [h for value in query.get("host", []) for h in value.split(",") if h]
    if not found:
        # The driver would go and look in the environment and well-known places.
        raise AccessRefused("storage.url: name the host, or the folder of the Unix socket as ?host=/path")
    return [h.replace("%2F", "/").replace("%2f", "/") for h in found], query


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _local(host: str) -> bool:
    return host.startswith("/")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
