"""The judge of received mail as the gate of MX sessions knows it: verdicts as the facts that are kept and shown."""

from __future__ import annotations

import ipaddress

from mailward.app.inbound.authentication import Authenticator
from mailward.app.inbound.ports import Judged
from mailward.base.sources import Clock
from mailward.core.inbound.model import ArcFacts, DkimFacts, DmarcFacts, SpfFacts
from mailward.protocol.authentication.model import Verdicts
from mailward.protocol.dkim import reasons
from mailward.protocol.smtp.model import SessionFacts


class MailJudge:
    """Authenticates with the process's resolver; one a process."""

    def __init__(self, authenticator: Authenticator, clock: Clock) -> None:
        self._authenticator = authenticator
        self._clock = clock

    async def judge(self, content: bytes, session: SessionFacts, mail_from: str) -> Judged:
        """See `ports.Judge`. Raises Invalid for a header beyond its caps, which the gate refuses before."""
        done = await self._authenticator.authenticate(
            content,
            client=ipaddress.ip_address(session.ip),
            helo=session.helo,
            mail_from=mail_from,
            now=self._clock.now(),
        )
        spf, dkim, dmarc, arc = facts(done.verdicts, mail_from)
        return Judged(spf, dkim, dmarc, arc, done.field.decode("ascii"), done.forged)


def facts(verdicts: Verdicts, mail_from: str) -> tuple[SpfFacts, tuple[DkimFacts, ...], DmarcFacts, ArcFacts]:
    """The verdicts in the form that is stored.

    The policy of a message that failed is what its owner's wish comes to for it: a step less in test mode, none where
    a trusted chain stands in, our own refusal where From names no single author.
    """
    spf, dmarc, arc = verdicts.spf, verdicts.dmarc, verdicts.arc
    return (
        SpfFacts(spf.result, spf.domain, spf.reason, "mailfrom" if mail_from else "helo"),
        tuple(
            DkimFacts(each.result, each.domain, each.selector, reasons.sentence(each.reason), each.algorithm)
            for each in verdicts.dkim
        ),
        DmarcFacts(
            dmarc.result,
            dmarc.author,
            dmarc.disposition if dmarc.result == "fail" else dmarc.policy,
            " ".join(filter(None, (dmarc.reason, dmarc.overridden))),
            dmarc.spf_aligned,
            dmarc.dkim_aligned,
        ),
        ArcFacts(arc.result, arc.reason, arc.sealers),
    )
