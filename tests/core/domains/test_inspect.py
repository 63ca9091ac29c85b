"""Each record, right, wrong, missing, doubled or unanswered, is told apart with the exact fix."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mailward.core.domains.inspect import inspect
from mailward.core.domains.model import (
    Domain,
    DomainState,
    Inspection,
    InstallationNames,
    KeyPair,
    KeyState,
    Record,
    RecordCheck,
)
from mailward.core.domains.records import installation_records, required_records, tracks
from mailward.core.domains.spf_cover import flatten
from tests.core.domains.dns_answers import Zone

NOW = datetime(2026, 3, 4, tzinfo=UTC)
NAMES = InstallationNames("spf.mail.example.net", "bounce.mail.example.net", ("mail.example.net",), ("192.0.2.7",))
DOMAIN = Domain("dom_1", "shop.example.com", DomainState.PENDING, "token", NOW, NOW)
PAIR = KeyPair("key_1", "mw202603a", KeyState.PUBLISHING, b"R" * 294, b"E" * 32, b"", b"", NOW, NOW)


def zone(*without: str, **changed: tuple[str, ...]) -> Zone:
    """Everything right, but for the purposes left out or changed."""
    z = Zone()
    z.publish(r for r in installation_records(NAMES) if r.type == "TXT")
    for record in required_records(DOMAIN, [PAIR], NAMES):
        key = record.purpose.replace("-", "_")
        if key in changed:
            z.txt(record.name, *changed[key])
        elif key not in without:
            z.publish([record])
    return z


def look(z: Zone) -> tuple[Inspection, dict[str, RecordCheck]]:
    seen = z.run(inspect(DOMAIN, [PAIR], NAMES))
    return seen, {c.record.purpose: c for c in seen.checks}


def test_all_right() -> None:
    """With every record published as asked, each is ok and nothing is left to do."""
    seen, checks = look(zone())
    assert {c.state for c in checks.values()} == {"ok"}
    assert not any(c.hint for c in checks.values())
    assert seen.shown == {"key_1": "shown"}
    assert len(checks) == 8


@pytest.mark.parametrize("purpose", ["ownership", "spf", "dkim_rsa", "dkim_ed25519", "dmarc", "return_path"])
def test_missing(purpose: str) -> None:
    """A record that is not there is missing, the others stay ok, and the hint names host and value."""
    _, checks = look(zone(purpose))
    check = checks.pop(purpose.replace("_", "-"))
    assert check.state == "missing"
    assert check.record.name in check.hint
    assert check.record.value in check.hint
    assert {c.state for c in checks.values()} == {"ok"}


@pytest.mark.parametrize("status", ["servfail", "timeout"])
def test_unanswered_is_temporary(status: str) -> None:
    """When nobody can say, no record is called missing and no key absent."""
    z = zone()
    z.data = dict.fromkeys(z.data, status)
    for record in required_records(DOMAIN, [PAIR], NAMES):
        z.data[record.name, record.type] = status
    seen, checks = look(z)
    assert {c.state for c in checks.values()} == {"temporary"}
    assert seen.shown == {"key_1": "unknown"}
    assert seen.ownership == "temporary"


@pytest.mark.parametrize(
    ("text", "state", "says"),
    [
        ("v=DKIM1; k=rsa; p=QUJD", "wrong", "not the one that signs"),
        ("v=DKIM1; k=rsa; p=", "wrong", "revoked"),
        ("v=DKIM1; k=ed25519; p={p}", "wrong", "another kind"),
        ("v=DKIM2; p={p}", "wrong", "version"),
        ("v=DKIM1; p={p}; h=sha1", "wrong", "SHA-256"),
        ("v=DKIM1; p={p}; s=other", "wrong", "e-mail"),
        ("v=DKIM1; p={p}; t=y", "wrong", "t=y"),
        ("v=DKIM1; p={cut}", "wrong", "cut short"),
        ("v=spf1 -all", "wrong", "no DKIM key"),
        ("p={p}", "ok", ""),
        ("  v=DKIM1;p={spaced} ; k=rsa; t=s; n=note", "ok", ""),
    ],
)
def test_key_records_are_compared_by_meaning(text: str, state: str, says: str) -> None:
    """Spaces, order and defaults do not matter; key, kind, hash and flags do."""
    p = next(r for r in required_records(DOMAIN, [PAIR], NAMES) if r.purpose == "dkim-rsa").value.partition("p=")[2]
    _, checks = look(zone(dkim_rsa=(text.format(p=p, cut=p[:100], spaced=p[:50] + " " + p[50:]),)))
    assert checks["dkim-rsa"].state == state
    assert says in checks["dkim-rsa"].hint


def test_two_key_records_are_ambiguous() -> None:
    """Two TXT records at a selector are `multiple`, even when one is right."""
    right = next(r for r in required_records(DOMAIN, [PAIR], NAMES) if r.purpose == "dkim-rsa").value
    seen, checks = look(zone(dkim_rsa=(right, "v=DKIM1; p=QUJD")))
    assert checks["dkim-rsa"].state == "multiple"
    assert seen.shown == {"key_1": "absent"}


def test_another_workspaces_token_is_wrong() -> None:
    """A token that is not this row's proves nothing; beside ours it does no harm."""
    _, checks = look(zone(ownership=("mailward-verify=other",)))
    assert checks["ownership"].state == "wrong"
    _, checks = look(zone(ownership=("mailward-verify=other", "mailward-verify=token")))
    assert checks["ownership"].state == "ok"


@pytest.mark.parametrize(
    ("record", "state", "advice"),
    [
        ("v=spf1 mx -all", "wrong", "v=spf1 mx include:spf.mail.example.net -all"),
        ("v=spf1 redirect=_spf.example.org", "wrong", "include:spf.mail.example.net redirect=_spf.example.org"),
        ("v=spf1 a", "wrong", "v=spf1 a include:spf.mail.example.net ~all"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "ok", ""),
        ("v=spf1 include:nested.example.org ~all", "ok", ""),
        ("v=spf1 -include:spf.mail.example.net -all", "wrong", "v=spf1"),
        ("v=spf1 include:spf.mail.example.net include:none.example.org -all", "wrong", "no SPF record"),
        ("v=spf1 include:spf.mail.example.net include:loop.example.org -all", "wrong", "includes itself"),
        ("v=spf1 include:spf.mail.example.net ip4:300.1.1.1 -all", "wrong", "invalid address"),
        ("v=spf1 include:spf.mail.example.net " + "exists:x.example.org " * 10 + "-all", "wrong", "10 DNS look-ups"),
    ],
)
def test_an_existing_spf_record_is_read(record: str, state: str, advice: str) -> None:
    """What is there is followed through its includes, and the advice keeps every term of it."""
    z = zone(spf=(record,))
    z.txt("nested.example.org", "v=spf1 include:spf.mail.example.net -all")
    z.txt("_spf.example.org", "v=spf1 -all")
    z.txt("loop.example.org", "v=spf1 include:loop.example.org -all")
    _, checks = look(z)
    assert checks["spf"].state == state
    assert advice in checks["spf"].hint


def test_two_spf_records() -> None:
    """Two SPF records are told from one; other TXT records beside it do not matter."""
    good = "v=spf1 include:spf.mail.example.net -all"
    assert look(zone(spf=(good, "v=spf1 -all")))[1]["spf"].state == "multiple"
    assert look(zone(spf=(good, "google-site-verification=x", "v=spf10 -all")))[1]["spf"].state == "ok"


def test_an_spf_bomb_is_cut() -> None:
    """Includes that branch without end cost at most ten look-ups and a few questions."""
    z = Zone()
    for i in range(100):
        z.txt(f"b{i}.example", "v=spf1 " + " ".join(f"include:b{j}.example" for j in range(i + 1, i + 20)))
    view = z.run(flatten("b0.example"))
    assert view.trouble
    assert len(z.asked) <= 12


def test_the_return_path_may_be_mx_with_spf() -> None:
    """MX to us is as good as the CNAME when the host's SPF includes ours, and half done without."""
    z = zone("return_path")
    z.mx("mw-bounce.shop.example.com", "mail.example.net")
    assert look(z)[1]["return-path"].state == "wrong"
    z.txt("mw-bounce.shop.example.com", "v=spf1 include:spf.mail.example.net -all")
    assert look(z)[1]["return-path"].state == "ok"
    z.mx("mw-bounce.shop.example.com", "elsewhere.example")
    assert look(z)[1]["return-path"].state == "wrong"


def test_a_wrong_cname() -> None:
    """A CNAME to another host is wrong, with the host to point it at."""
    z = zone()
    z.data["mw-bounce.shop.example.com", "CNAME"] = ("other.example",)
    check = look(z)[1]["return-path"]
    assert (check.state, check.found) == ("wrong", ("other.example",))
    assert NAMES.bounce_host in check.hint


def test_dmarc_of_the_organisation_counts() -> None:
    """A sub-domain without a record of its own is under its organisation's; two records are no record."""
    z = zone("dmarc")
    z.txt("_dmarc.example.com", "v=DMARC1; p=reject")
    assert look(z)[1]["dmarc"].state == "ok"
    z.txt("_dmarc.example.com", "v=DMARC1; p=reject", "v=DMARC1; p=none")
    assert look(z)[1]["dmarc"].state == "multiple"
    z.txt("_dmarc.example.com", "v=DMARC1; p=maybe")
    assert look(z)[1]["dmarc"].state == "wrong"
    z.data.pop(("_dmarc.example.com", "TXT"))
    z.txt("_dmarc.com", "v=DMARC1; p=reject")
    assert look(z)[1]["dmarc"].state == "missing"


def test_a_retired_key_may_go() -> None:
    """Once revoked, a key's record is right when empty or gone, and wrong while it still shows the key."""
    revoked = replace(PAIR, state=KeyState.REVOKED)
    z = zone()
    checks = [c for c in z.run(inspect(DOMAIN, [revoked], NAMES)).checks if c.record.purpose == "dkim-rsa"]
    assert checks[0].state == "wrong"
    z.txt(checks[0].record.name, "v=DKIM1; p=")
    assert _rsa(z, revoked).state == "ok"
    z.data.pop((checks[0].record.name, "TXT"))
    assert _rsa(z, revoked).state == "ok"


def _rsa(z: Zone, pair: KeyPair) -> Any:
    return next(c for c in z.run(inspect(DOMAIN, [pair], NAMES)).checks if c.record.purpose == "dkim-rsa")


def test_zone_lines_split_long_text() -> None:
    """A zone-file line quotes text in strings of at most 255 bytes and ends host names with a dot."""
    line = Record("x", "TXT", "a.example", "p=" + "x" * 400, True).zone_line
    assert line == f'a.example. 3600 IN TXT "p={"x" * 253}" "{"x" * 147}"'
    assert Record("x", "CNAME", "a.example", "b.example", True).zone_line == "a.example. 3600 IN CNAME b.example."


def test_the_installations_spf_lists_every_source() -> None:
    """Each address and network the installation sends from is in the record customers include."""
    names = replace(NAMES, sources=("192.0.2.7", "198.51.100.0/28", "2001:db8::1"))
    spf = installation_records(names)[0]
    assert spf.value == "v=spf1 ip4:192.0.2.7 ip4:198.51.100.0/28 ip6:2001:db8::1 -all"
    z = Zone()
    z.publish([spf])
    assert z.run(flatten(spf.name)).covers(names.sources)
    assert not z.run(flatten(spf.name)).covers(("203.0.113.1",))


def test_the_host_of_tracked_links_is_optional_and_led_to_us() -> None:
    """It is asked for only where our web listener has a name; wrong or missing, the domain is as good as before."""
    names = replace(NAMES, web_host="mail.example.net")
    assert "tracking" not in look(zone())[1]
    for data, state in ((None, "missing"), (("other.example",), "wrong"), (("mail.example.net",), "ok")):
        z = zone()
        if data is not None:
            z.data["mw-link.shop.example.com", "CNAME"] = data
        seen = z.run(inspect(DOMAIN, [PAIR], names))
        (check,) = [c for c in seen.checks if c.record.purpose == "tracking"]
        assert (check.state, check.record.required, bool(check.hint)) == (state, False, state != "ok")
        assert tracks(replace(DOMAIN, checks=seen.checks)) is (state == "ok")
