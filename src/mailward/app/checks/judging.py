"""EMAIL-3: the judge of received mail is shown genuine and altered messages, and the running MX a forged verdict."""

from __future__ import annotations

import ipaddress
from typing import Any

from mailward.app.checks.mx import MxSilent, mx_address, received
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.inbound.authentication import Authenticated, Authenticator
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.inbound.compose import read
from mailward.protocol.arc.seal import seal
from mailward.protocol.dkim import keys
from mailward.protocol.dkim.sign import Signer, sign
from mailward.protocol.dns import DnsAnswer, DnsQuery
from mailward.protocol.inbound import own
from mailward.protocol.message import headers

_DOMAIN = "sender.verify.invalid"
_OURS = "mx.verify.invalid"
_SENDER, _STRANGER = ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("198.51.100.1")
_MESSAGE = (
    f"From: A check <a@{_DOMAIN}>\r\nTo: b@verify.invalid\r\nSubject: A check\r\n"
    "Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@verify.invalid>\r\n\r\nWhat was signed.\r\n"
).encode()


class _Stated:
    """A resolver that knows what it was told; None for one that never answers."""

    def __init__(self, records: dict[tuple[str, str], tuple[Any, ...]] | None) -> None:
        self._records = records

    def cached(self, query: DnsQuery) -> DnsAnswer:
        if self._records is None:
            return DnsAnswer("timeout")
        found = self._records.get((query.name.rstrip(".").lower(), query.type))
        return DnsAnswer("nxdomain") if found is None else DnsAnswer("ok", found)

    async def resolve(self, query: DnsQuery, *, fresh: bool = False) -> DnsAnswer:
        return self.cached(query)


def _zone(record: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (_DOMAIN, "TXT"): (b"v=spf1 ip4:192.0.2.1 -all",),
        (f"_dmarc.{_DOMAIN}", "TXT"): (b"v=DMARC1; p=reject",),
        (f"s._domainkey.{_DOMAIN}", "TXT"): (record.encode(),),
    }


@check("EMAIL-3")
async def mail_is_judged(context: Context) -> Finding:
    """A signed message passes; from elsewhere and altered it fails, its ARC chain too; without DNS nothing passes."""
    private, record = keys.generate("ed25519-sha256")
    signer = Signer(_DOMAIN, "s", keys.load(private))
    now = context.clock.now()
    parsed = headers.split(_MESSAGE)
    genuine = sign(parsed.fields, _MESSAGE[parsed.body_offset :], [signer], now) + _MESSAGE
    altered = genuine.replace(b"What was signed.", b"What was forged.")

    async def judge(content: bytes, client: Any = _SENDER, *, dns: bool = True) -> Authenticated:
        judge = Authenticator(_Stated(_zone(record) if dns else None), hostname=_OURS)
        return await judge.authenticate(content, client=client, helo=_DOMAIN, mail_from=f"a@{_DOMAIN}", now=now)

    def told(judged: Authenticated) -> tuple[str, str, str]:
        v = judged.verdicts
        return v.spf.result, v.dkim[0].result if v.dkim else "none", v.dmarc.result

    first = await judge(genuine)
    fields = headers.split(genuine, tolerant=True)
    results = first.field.partition(b":")[2]
    sealed = seal(
        fields.fields, genuine[fields.body_offset :], results=results, chain=first.verdicts.arc, signer=signer, now=now
    )
    cases = {
        "a genuine message": (told(first), ("pass", "pass", "pass")),
        "one that was forwarded": (told(await judge(genuine, _STRANGER)), ("fail", "pass", "pass")),
        "one that was altered": (told(await judge(altered, _STRANGER)), ("fail", "fail", "fail")),
        "one without a signature": (told(await judge(_MESSAGE, _STRANGER)), ("fail", "none", "fail")),
        "one while DNS is silent": (told(await judge(genuine, dns=False)), ("temperror", "temperror", "temperror")),
    }
    chains = {
        "a sealed chain": ((await judge(sealed + genuine, _STRANGER)).verdicts.arc.result, "pass"),
        "a chain over an altered message": ((await judge(sealed + altered, _STRANGER)).verdicts.arc.result, "fail"),
    }
    for name, (got, wanted) in [*cases.items(), *chains.items()]:
        if got != wanted:
            return failed(f"{name} was judged {got} and not {wanted}")
    return passed(f"{len(cases)} messages and {len(chains)} chains were judged as they should be")


@check("EMAIL-3")
async def verdicts_reach_the_customer(context: Context) -> Finding:
    """A message with a verdict forged in our name is judged by the running MX; what is told is ours alone."""
    if not mx_address(context):
        return not_configured("this installation does not receive mail (no role mx)")
    name = context.settings.hostname
    forged = f"Authentication-Results: {name}; dmarc=pass header.from=verify.invalid\r\n".encode()
    message = forged + b"From: a@verify.invalid\r\nSubject: A check\r\n\r\nHello\r\n"
    try:
        async with received(context, message) as (kept, octets):
            told = own.authentication(kept.facts)
            shown = [value for name, value in read(octets, kept.facts).headers if name == "Authentication-Results"]
    except MxSilent as e:
        return failed(str(e))
    if told["dmarc"]["result"] == "pass" or told["spf"]["result"] == "pass":
        return failed("a message that nobody vouched for is told as passed")
    if len(shown) != 1 or "dmarc=pass" in shown[0]:
        return failed("what is handed over does not carry our own Authentication-Results alone")
    return passed(f"a forged verdict was taken away; the message was told as dmarc={told['dmarc']['result']}")
