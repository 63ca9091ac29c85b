"""Where an address is: from the operator's mmdb files, else its surroundings alone. Read once, mapped, never copied."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, NamedTuple

from mailward.app.sign_in_options import Geo


class Place(NamedTuple):
    """`name` is "Vienna, AT" or ""; `network` the autonomous system or the surroundings in CIDR form."""

    name: str = ""
    network: str = ""
    position: tuple[float, float] | None = None


class Places:
    """One a process."""

    def __init__(self, settings: Geo) -> None:
        """Raises ValueError when a file cannot be read."""
        self._cities = _open(settings.database)
        self._systems = _open(settings.networks)
        self._hiding = _listed(settings.anonymisers)
        self._widths = sorted({(n.version, n.prefixlen) for n in self._hiding})

    def of(self, address: str) -> Place:
        """What is known of an address."""
        city, system = _get(self._cities, address), _get(self._systems, address)
        number = system.get("autonomous_system_number", city.get("autonomous_system_number"))
        network = f"AS{number}" if isinstance(number, int) else surroundings(address)
        return Place(_name(city), network, _position(city))

    def position(self, address: str) -> tuple[float, float] | None:
        """Latitude and longitude in degrees."""
        return _position(_get(self._cities, address))

    def hides(self, address: str) -> bool:
        """Whether it is of a network that hides where people are."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        # One look for each length of prefix that occurs, however long the list is.
        return any(
            ipaddress.ip_network((ip, bits), strict=False) in self._hiding
            for version, bits in self._widths
            if version == ip.version
        )


def surroundings(address: str) -> str:
    """The /24 around an IPv4 address, the /48 around an IPv6 one; "" for what is none."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False))


def _open(path: str) -> Any:
    if not path:
        return None
    import maxminddb

    try:
        return maxminddb.open_database(path, maxminddb.MODE_MMAP)
    except (OSError, maxminddb.InvalidDatabaseError) as e:
        raise ValueError(f"{path}: {e}") from e


def _get(database: Any, address: str) -> dict[str, Any]:
    if database is None:
        return {}
    try:
        found = database.get(address)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _name(city: dict[str, Any]) -> str:
    town = city.get("city", {}).get("names", {}).get("en", "")
    country = city.get("country", {}).get("iso_code", "")
    return ", ".join(part for part in (town, country) if part)


def _position(city: dict[str, Any]) -> tuple[float, float] | None:
    where = city.get("location", {})
    latitude, longitude = where.get("latitude"), where.get("longitude")
    return None if latitude is None or longitude is None else (float(latitude), float(longitude))


def _listed(path: str) -> frozenset[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    if not path:
        return frozenset()
    lines = (line.partition("#")[0].strip() for line in Path(path).read_text("utf-8").splitlines())
    return frozenset(ipaddress.ip_network(line, strict=False) for line in lines if line)
