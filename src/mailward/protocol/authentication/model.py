"""What goes into a judgement and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailward.protocol.arc.validate import Verdict as ArcVerdict
from mailward.protocol.dkim.verify import Verdict as DkimVerdict
from mailward.protocol.dmarc.evaluate import Verdict as DmarcVerdict
from mailward.protocol.spf.model import Address
from mailward.protocol.spf.model import Verdict as SpfVerdict


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came. `fields` as `headers.split(..., tolerant=True)` gives them, `body` what follows them.

    `mail_from` without angle brackets, "" for the null path; `receiver` is our host name.
    """

    client: Address
    helo: str
    mail_from: str
    fields: Sequence[tuple[bytes, bytes]]
    body: bytes
    now: datetime
    receiver: str


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The judgement. `spf` is of MAIL FROM (for the null path of HELO's name), `helo` of HELO itself.

    `questions` is how many were asked of DNS; `cut_short` says that the budget ended them, so that what stayed open
    reads as a temporary error.
    """

    spf: SpfVerdict
    helo: SpfVerdict
    dkim: tuple[DkimVerdict, ...]
    dmarc: DmarcVerdict
    arc: ArcVerdict
    questions: int = 0
    cut_short: bool = False

    @property
    def temporary(self) -> bool:
        """Whether DNS kept DMARC from a verdict, so that judging the same message again may help."""
        return self.dmarc.result == "temperror"
