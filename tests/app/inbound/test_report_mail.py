"""Mail to the address for reports is a report like one of the form, and writes to nobody who may be forged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from mailward.app.candidate import Candidate
from mailward.app.inbound.directory import MailDirectory
from mailward.app.inbound.ports import Judged
from mailward.app.inbound.report_mail import A_SOURCE, MAX_BYTES, MailedReports
from mailward.app.knowledge import KnownDomain
from mailward.app.letters import Letters
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import LimitReached, Refused, TooLarge
from mailward.base.ids import WorkspaceId
from mailward.core.disclosure.intake import content_of, follow, open_message
from mailward.core.disclosure.model import Content, Origin, Report
from mailward.core.domains.add import EPOCH
from mailward.core.domains.model import Domain, DomainState
from mailward.core.inbound.model import DmarcFacts
from mailward.core.registers.change import put, read_fields
from mailward.core.registers.model import Kind
from mailward.core.workspaces.model import Workspace, WorkspaceSettings
from mailward.edges.web.limits import LocalLimiter
from mailward.policy import inbound
from mailward.policy.access import Actor
from tests.app.inbound.inbound_rig import CLEAR
from tests.conftest import MovingClock, SeededEntropy
from tests.core.disclosure.test_disclosure import SEAL

pytestmark = [pytest.mark.claim("INCIDENT-2"), pytest.mark.parametrize("store", ["embedded"], indirect=True)]

OPERATOR = Actor(WorkspaceId(""), "cli", "cli")
HOME, OTHER = b"\1" * 16, b"\2" * 16
PROVEN = Judged(dmarc=DmarcFacts("pass", "example.org"))
HEAD = "From: Ann <ann@example.org>\r\nTo: security@mailward.test\r\nSubject: A hole\r\n"
WORDS = (HEAD + "\r\nmwmarker: it is open.\r\n").encode()


@dataclass
class Desk:
    """The register of an installation, with a judge and letters that are the test's."""

    store: Store
    clock: MovingClock
    entropy: SeededEntropy
    judged: Judged = PROVEN
    able: bool = True
    letters: list[Candidate] = field(default_factory=list)
    terms: inbound.Terms = field(default_factory=inbound.Terms)

    def __post_init__(self) -> None:
        self.limiter = LocalLimiter(self.clock.monotonic)
        self.directory = MailDirectory(self.store, "mailward.test")

    async def judge(self, content: bytes, session: Any, mail_from: str) -> Judged:
        return self.judged

    async def accept(self, actor: Actor, candidate: Candidate) -> None:
        self.letters.append(candidate)

    def domains(self, workspace: bytes) -> dict[str, KnownDomain]:
        return {"in.test": KnownDomain(b"d" * 16, "in.test", True, False, "")} if self.able else {}

    def reports(self) -> MailedReports:
        letters = Letters(
            self.store, domains=self.domains, accept=self.accept, clock=self.clock, entropy=self.entropy, capture=True
        )
        return MailedReports(
            self.store, SEAL, letters, self, self.limiter,
            ours=self.directory.is_for_reports, key=b"k" * 32, terms=self.terms, public_url="https://mail.example/",
            clock=self.clock, entropy=self.entropy, judge_seconds=5,
        )  # fmt: skip

    async def take(self, content: bytes = WORDS, *, mail_from: str = "ann@example.org", ip: str = CLEAR.ip) -> None:
        await self.reports().take(mail_from, content, CLEAR._replace(ip=ip))

    async def all(self) -> Sequence[tuple[Report, Content]]:
        found = await self.store.system_read(lambda tx: tx.reports.newest(300))
        return [(r, content_of(r, SEAL)) for r in found]


@pytest.fixture
async def desk(store: Store, clock: MovingClock, entropy: SeededEntropy) -> Desk:
    """An installation with a workspace of its own and a customer's."""
    for id in (HOME, OTHER):
        made = Workspace(WorkspaceId(ids.encode("ws", id)), "w", clock.now(), WorkspaceSettings())
        await store.system_write(lambda tx, w=made: tx.workspaces.insert(w))  # type: ignore[misc]
    return Desk(store, clock, entropy)


async def test_mail_is_a_report_whose_author_gets_its_link(desk: Desk) -> None:
    """Sealed, due like any; the letter to the author alone holds the link that follows it, and none of its words."""
    await desk.take()
    ((report, content),) = await desk.all()
    assert (report.origin, content.title, content.what) == (Origin.MAIL, "A hole", "mwmarker: it is open.")
    assert content.contact == "ann@example.org"
    assert content.mail is not None
    assert (content.mail.dmarc, content.mail.silent, content.mail.answered) == ("pass", "", True)
    assert b"mwmarker" not in report.content
    (letter,) = desk.letters
    assert [to for to, _ in letter.recipients] == ["ann@example.org"]
    assert b"mwmarker" not in letter.content and b"A hole" not in letter.content
    body = message_from_bytes(letter.content, policy=default).get_body(("plain",))
    assert body is not None
    link = re.search(r"https://mail\.example/report/([\w-]{32})\s", body.get_content())
    assert link is not None
    seen, _ = await desk.store.system_read(lambda tx: follow(tx, link[1], SEAL))
    assert seen.id == report.id


async def test_the_message_is_kept_as_it_came(desk: Desk) -> None:
    """Encrypted parts reach the operator byte for byte; that it was taken out is in the audit log."""
    pgp = (HEAD + "Content-Type: application/pgp-encrypted\r\n\r\n\x00-----BEGIN PGP MESSAGE-----\r\n").encode()
    await desk.take(pgp)
    ((report, content),) = await desk.all()
    assert content.what.startswith("(The message has no text")
    now = desk.clock.now()
    kept = await desk.store.system_write(lambda tx: open_message(tx, OPERATOR, report.id, SEAL, now=now))
    assert kept == pgp
    assert await desk.store.system_read(lambda tx: tx.reports.message(report.id)) != pgp


@pytest.mark.parametrize(
    ("judged", "mail_from", "extra", "why"),
    [
        (Judged(dmarc=DmarcFacts("fail", "example.org")), "ann@example.org", "", "not proven"),
        (Judged(dmarc=DmarcFacts("temperror", "example.org")), "ann@example.org", "", "not proven"),
        (Judged(), "ann@example.org", "", "not proven"),
        (Judged(dmarc=DmarcFacts("pass", "other.example")), "ann@example.org", "", "not proven"),
        (PROVEN, "", "", "null sender"),
        (PROVEN, "ann@example.org", "Auto-Submitted: auto-replied\r\n", "Auto-Submitted"),
        (PROVEN, "ann@example.org", "Precedence: bulk\r\n", "over a list"),
        (PROVEN, "ann@example.org", "List-Id: <l.example.org>\r\n", "over a list"),
        (PROVEN, "ann@example.org", "From: bob@example.org\r\n", "no single author"),
    ],
)
async def test_nobody_who_may_be_forged_is_written_to(
    desk: Desk, judged: Judged, mail_from: str, extra: str, why: str
) -> None:
    """The report is there, its deadline runs, and the page says why its author was not answered."""
    desk.judged = judged
    await desk.take((extra + HEAD + "\r\nwords\r\n").encode(), mail_from=mail_from)
    ((_, content),) = await desk.all()
    assert desk.letters == []
    assert content.mail is not None
    assert (why in content.mail.silent, content.mail.answered) == (True, False)


async def test_what_this_address_writes_is_not_answered(desk: Desk) -> None:
    """Mail from the address for reports itself starts no exchange of letters."""
    desk.judged = Judged(dmarc=DmarcFacts("pass", "mailward.test"))
    await desk.take(WORDS.replace(b"ann@example.org", b"security@mailward.test"))
    assert (len(await desk.all()), desk.letters) == (1, [])


async def test_a_message_brought_twice_is_one_report(desk: Desk) -> None:
    """A sender that missed our 250 comes again and is thanked; another message is another report."""
    await desk.take()
    await desk.take()
    assert (len(await desk.all()), len(desk.letters)) == (1, 1)
    await desk.take(WORDS + b"More.\r\n")
    assert (len(await desk.all()), len(desk.letters)) == (2, 2)


async def test_an_installation_that_cannot_mail_keeps_the_report(desk: Desk) -> None:
    """The letter is missing, and what is kept says that nobody was answered."""
    desk.able = False
    await desk.take()
    ((_, content),) = await desk.all()
    assert content.mail is not None
    assert (content.mail.silent, content.mail.answered) == ("", False)


async def test_reports_by_mail_are_bounded(desk: Desk) -> None:
    """Too large is refused when announced and when it comes; one source has its twenty an hour, others go on."""
    with pytest.raises(TooLarge):
        desk.reports().takes("security@mailward.test", MAX_BYTES + 1)
    with pytest.raises(TooLarge):
        await desk.take(WORDS + b"x" * MAX_BYTES)
    for n in range(A_SOURCE.quota):
        await desk.take(WORDS + b"%d\r\n" % n)
    with pytest.raises(LimitReached):
        await desk.take(WORDS + b"one more\r\n")
    await desk.take(WORDS + b"one more\r\n", ip="192.0.2.8")


async def test_where_dmarc_is_enforced_a_forgery_is_refused(desk: Desk) -> None:
    """The domain's owner asks to reject it, and the installation heeds that; otherwise it is only not answered."""
    desk.judged = Judged(dmarc=DmarcFacts("fail", "example.org", "reject"))
    await desk.take()
    desk.terms = inbound.Terms(dmarc="enforce")
    with pytest.raises(Refused, match="dmarc_refused"):
        await desk.take(WORDS + b"again\r\n")
    assert len(await desk.all()) == 1


async def test_which_addresses_are_for_reports(desk: Desk) -> None:
    """`security` at our own name always; the published one when its domain is the operator's, never a customer's."""
    known = desk.directory

    async def publish(address: str) -> None:
        fields = read_fields(Kind.PROFILE, {"name": "Op", "security_contact": address}, today=desk.clock.now().date())
        await desk.store.system_write(
            lambda tx: put(tx, OPERATOR, Kind.PROFILE, fields, now=desk.clock.now(), entropy=desk.entropy)
        )
        assert await known.refresh()

    await known.refresh()
    assert known.is_for_reports("Security@Mailward.test")
    assert not known.is_for_reports("psirt@mailward.test")
    await publish("psirt@mailward.test")
    assert known.is_for_reports("PSIRT@mailward.test")
    assert known.is_for_reports("security@mailward.test")
    await hold(desk, HOME, "own.test")
    await hold(desk, OTHER, "customer.test")
    for address, ours in (("s@own.test", True), ("s@customer.test", False), ("s@elsewhere.test", False)):
        await publish(address)
        assert known.is_for_reports(address) is ours, address


async def hold(desk: Desk, workspace: bytes, name: str) -> None:
    """A workspace has verified a domain."""
    now = desk.clock.now()
    domain = Domain(ids.new("dom", now, desk.entropy), name, DomainState.VERIFIED, name, now, now, verified_at=now)

    async def verb(tx: Tx) -> None:
        assert await tx.domains.insert(domain)
        await tx.counters.bump(EPOCH)

    await desk.store.write(ids.encode("ws", workspace), verb)
