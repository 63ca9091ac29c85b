"""Where an address is: by the operator's databases, else by its surroundings."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailward.app.guard.places import Places, surroundings
from mailward.app.sign_in_options import Geo
from tests.app.guard.mmdb import write

VIENNA = {
    "city": {"names": {"en": "Vienna"}},
    "country": {"iso_code": "AT"},
    "location": {"latitude": 48.2, "longitude": 16.4},
}


def test_without_a_database_the_network_is_what_is_known() -> None:
    """A /24 or a /48; nothing for what is no address."""
    places = Places(Geo())
    assert places.of("192.0.2.7") == ("", "192.0.2.0/24", None)
    assert places.of("2001:db8:1:2::3").network == "2001:db8:1::/48"
    assert surroundings("::ffff:192.0.2.7") == "192.0.2.0/24"
    assert surroundings("nonsense") == ""


def test_an_operators_databases_name_town_country_and_system(tmp_path: Path) -> None:
    """City and position from one file, the autonomous system from another; an unlisted address has neither."""
    city = write(tmp_path / "city.mmdb", {"192.0.2.0/24": VIENNA, "198.51.100.0/25": {"country": {"iso_code": "AU"}}})
    systems = write(tmp_path / "as.mmdb", {"192.0.0.0/16": {"autonomous_system_number": 64500}})
    places = Places(Geo(database=str(city), networks=str(systems)))
    assert places.of("192.0.2.200") == ("Vienna, AT", "AS64500", (48.2, 16.4))
    assert places.of("198.51.100.9") == ("AU", "198.51.100.0/24", None)
    assert places.of("203.0.113.1") == ("", "203.0.113.0/24", None)
    assert places.of("2001:db8::1").name == ""


def test_a_broken_database_stops_the_start(tmp_path: Path) -> None:
    """A file that is none is an error that names it, not silence."""
    (tmp_path / "x.mmdb").write_bytes(b"no database")
    with pytest.raises(ValueError, match=r"x\.mmdb"):
        Places(Geo(database=str(tmp_path / "x.mmdb")))


def test_an_operators_list_says_what_hides(tmp_path: Path) -> None:
    """Addresses and networks of both families, with comments."""
    (tmp_path / "tor").write_text("# exits\n192.0.2.1\n198.51.100.0/24 # a VPN\n2001:db8::/32\n")
    places = Places(Geo(anonymisers=str(tmp_path / "tor")))
    assert [places.hides(a) for a in ("192.0.2.1", "198.51.100.77", "2001:db8:9::1")] == [True] * 3
    assert [places.hides(a) for a in ("192.0.2.2", "2001:db9::1", "x")] == [False] * 3
