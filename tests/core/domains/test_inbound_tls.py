"""MTA-STS and TLS-RPT records, right, wrong, missing, doubled and unanswered, are told apart with the exact fix."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailward.core.domains.inbound_tls import inspect_inbound_tls, mta_sts_record, policy_file, tls_rpt_record
from mailward.core.domains.model import Domain, DomainState, RecordCheck
from tests.core.domains.dns_answers import Zone

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DOMAIN = Domain("dom_1", "shop.example.com", DomainState.PENDING, "token", NOW, NOW)
STS, RPT = "_mta-sts.shop.example.com", "_smtp._tls.shop.example.com"


def look(zone: Zone) -> tuple[RecordCheck, RecordCheck]:
    sts, rpt = zone.run(inspect_inbound_tls(DOMAIN))
    return sts, rpt


@pytest.mark.claim("EMAIL-2")
@pytest.mark.parametrize(
    ("texts", "state"),
    [
        (("v=STSv1; id=20260304050607",), "ok"),
        (("v=STSv1; id=mine; x=1", "something else"), "ok"),
        (("v=STSv1;",), "wrong"),
        (("v=STSv1; id=" + "1" * 33,), "wrong"),
        (("v=STSv1; id=1", "v=STSv1; id=2"), "multiple"),
        (("something else",), "missing"),
    ],
)
def test_the_announcement_of_a_policy(texts: tuple[str, ...], state: str) -> None:
    """Any valid id is right; the owner chooses it anew with each policy."""
    zone = Zone()
    zone.mx("shop.example.com", "mx.example.net")
    zone.txt(STS, *texts)
    sts, _ = look(zone)
    assert sts.state == state
    assert not sts.record.required
    assert bool(sts.hint) is (state != "ok")


@pytest.mark.claim("EMAIL-2")
@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("v=TLSRPTv1; rua=mailto:tls@example.com", "ok"),
        ("v=TLSRPTv1;rua=https://reports.example.com/tls,mailto:tls@example.com", "ok"),
        ("v=TLSRPTv1; rua=tls@example.com", "wrong"),
        ("v=TLSRPTv1", "wrong"),
    ],
)
def test_where_reports_go(text: str, state: str) -> None:
    """One or several places by mail or HTTPS."""
    zone = Zone()
    zone.txt(RPT, text)
    assert look(zone)[1].state == state


def test_missing_says_what_to_serve() -> None:
    """The hint holds the policy for the exchangers that DNS names, in testing mode, and the record's value."""
    zone = Zone()
    zone.mx("shop.example.com", "mx1.example.net", "mx2.example.net")
    sts, rpt = look(zone)
    assert (sts.state, rpt.state) == ("missing", "missing")
    assert "mx: mx1.example.net / mx: mx2.example.net" in sts.hint
    assert "https://mta-sts.shop.example.com/.well-known/mta-sts.txt" in sts.hint
    assert mta_sts_record(DOMAIN).value in sts.hint
    assert tls_rpt_record(DOMAIN).value in rpt.hint
    assert policy_file(["mx.example.net"]).splitlines()[1] == "mode: testing"


def test_a_domain_that_takes_no_mail_needs_neither() -> None:
    """No MX record, or the null one of RFC 7505: the hint says that they would be of no use."""
    null = Zone()
    null.mx("shop.example.com", ".")
    for zone in (Zone(), null):
        assert all("of no use" in check.hint for check in look(zone))


def test_silence_proves_nothing() -> None:
    """When the servers do not answer, the state is temporary."""
    zone = Zone()
    for name, kind in (("shop.example.com", "MX"), (STS, "TXT"), (RPT, "TXT")):
        zone.data[name, kind] = "servfail"
    assert {check.state for check in look(zone)} == {"temporary"}
