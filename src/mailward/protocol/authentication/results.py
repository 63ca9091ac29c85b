"""Verdicts as Authentication-Results (RFC 8601 section 2.7, RFC 6008, RFC 8617 section 10, RFC 9989 section 9)."""

from __future__ import annotations

from mailward.protocol.authentication.model import Received, Verdicts
from mailward.protocol.authres.model import AuthenticationResults, MethodResult, Property
from mailward.protocol.dkim import reasons
from mailward.protocol.dkim.verify import Verdict as DkimVerdict

MAX_SIGNATURES_SHOWN = 12


def results(verdicts: Verdicts, received: Received, authserv_id: str) -> AuthenticationResults:
    """Our field for this message; `authserv_id` is the host name we sign our results with."""
    found = [_spf(verdicts, received)]
    if received.mail_from:
        helo = verdicts.helo
        shown = Property("smtp", "helo", received.helo)
        found.append(MethodResult("spf", helo.result, "" if helo.result == "pass" else helo.reason, (shown,)))
    found += [_dkim(each) for each in verdicts.dkim[:MAX_SIGNATURES_SHOWN]] or [MethodResult("dkim", "none")]
    dmarc = verdicts.dmarc
    properties = [Property("header", "from", dmarc.author)]
    if dmarc.policy or dmarc.disposition != "none":
        properties.append(Property("policy", "dmarc", dmarc.disposition))
    why = "" if dmarc.result == "pass" else " ".join(filter(None, (dmarc.reason, dmarc.overridden)))
    found.append(MethodResult("dmarc", dmarc.result, why, tuple(properties)))
    arc = verdicts.arc
    if arc.result != "none":
        client = Property("smtp", "remote-ip", str(received.client))
        found.append(MethodResult("arc", arc.result, "" if arc.result == "pass" else arc.reason, (client,)))
    return AuthenticationResults(authserv_id, tuple(found))


def _spf(verdicts: Verdicts, received: Received) -> MethodResult:
    spf = verdicts.spf
    name = "mailfrom" if received.mail_from else "helo"
    shown = Property("smtp", name, received.mail_from or received.helo)
    return MethodResult("spf", spf.result, "" if spf.result == "pass" else spf.reason, (shown,))


def _dkim(each: DkimVerdict) -> MethodResult:
    properties = [("d", each.domain), ("i", each.identity), ("s", each.selector), ("a", each.algorithm)]
    shown = [Property("header", name, value) for name, value in properties]
    if each.value:
        shown.append(Property("header", "b", each.value))
    reason = "" if each.result == "pass" else reasons.sentence(each.reason)
    return MethodResult("dkim", each.result, reason, tuple(shown))
