"""The published test suite of RFC 7208 (openspf.org, release 2014.04): all 203 cases, none left out."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from mailward.protocol.spf.identity import check_mail_from
from mailward.protocol.spf.model import Session
from tests.protocol.zones import Zone

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def zone_of(data: dict[str, list[Any]]) -> Zone:
    """The suite's zone: SPF records stand for TXT unless the name says otherwise; TIMEOUT is for types not given."""
    names: dict[str, dict[str, Any]] = {}
    for name, entries in data.items():
        records: dict[str, Any] = {}
        has_txt = any(isinstance(entry, dict) and "TXT" in entry for entry in entries)
        for entry in entries:
            if entry == "TIMEOUT":
                records["*"] = "TIMEOUT"
                continue
            ((kind, value),) = entry.items()
            if kind == "SPF":
                if has_txt:
                    continue
                kind = "TXT"
            if value == "NONE":
                if "TIMEOUT" not in entries:
                    records.setdefault(kind, [])
                continue
            if kind == "MX":
                value = (int(value[0]), value[1])
            elif kind == "TXT":
                value = value if isinstance(value, str) else "".join(value)
            elif kind == "AAAA":
                value = str(ipaddress.IPv6Address(value))
            records.setdefault(kind, []).append(value)
        names[name] = records
    return Zone(names)


@pytest.mark.claim("EMAIL-3")
def test_all_203_cases(conformance: Path) -> None:
    """Each case ends in (one of) the results it allows, with the explanation it gives."""
    count, wrong = 0, []
    with (conformance / "spf" / "rfc7208-tests.yml").open(encoding="utf-8") as file:
        for document in yaml.safe_load_all(file):
            for name, case in document["tests"].items():
                count += 1
                zone = zone_of(document["zonedata"])
                session = Session(ipaddress.ip_address(case["host"]), case["helo"], "receiver.example", NOW)
                verdict = zone.run(check_mail_from(session, case["mailfrom"]))
                allowed = case["result"] if isinstance(case["result"], list) else [case["result"]]
                explanation = case.get("explanation")
                explanation = "" if explanation in (None, "DEFAULT") else explanation
                if verdict.result not in allowed or (verdict.result == "fail" and verdict.explanation != explanation):
                    wrong.append((document["description"], name, allowed, explanation, verdict))
    assert not wrong, "\n".join(str(each) for each in wrong)
    assert count == 203


@pytest.mark.parametrize("status", ["TIMEOUT", "SERVFAIL"])
def test_dns_that_is_away_is_temperror(status: str) -> None:
    """No answer for the policy is temperror, never none."""
    session = Session(ipaddress.ip_address("192.0.2.1"), "h.example.com", "r.example", NOW)
    verdict = Zone({"example.com": {"TXT": status}}).run(check_mail_from(session, "a@example.com"))
    assert verdict.result == "temperror"
