"""Checks of receiving: they hold for the running MX, and what does not do its part fails them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from mailward.app import inspection
from mailward.app.checks import arriving, handing, judging, leaving, receiving, reporting
from mailward.app.checks.mx import talk
from mailward.app.checks.registry import Check
from mailward.app.context import Context, choose, cli_actor
from mailward.app.inbound import reading
from mailward.app.inbound.report_mail import Author, MailedReports
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.public.keys import ReportSeal
from mailward.app.settings import load
from mailward.core.disclosure.intake import content_of
from mailward.core.disclosure.model import Origin
from mailward.core.evidence.model import Result
from mailward.edges.workers.webhooks import WebhookWorker
from mailward.policy.inbound import Accept, Defer
from mailward.protocol.inbound import signing
from mailward.protocol.inbound.content import Content
from tests.scenarios.peers import free_port
from tests.scenarios.platform import Platform
from tests.scenarios.scanners import Clamd, Rspamd

THROUGH_THE_DOOR = (
    receiving.tls_facts_are_kept,
    receiving.octets_are_kept,
    receiving.malware_at_the_door,
    arriving.limits_of_receiving_have_their_answers,
    judging.verdicts_reach_the_customer,
)


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform(workers=1) as running:
        yield running


@pytest.fixture
async def context(platform: Platform) -> AsyncIterator[Context]:
    """The installation as the operator's shell opens it."""
    installation = Installation(load(str(platform.config), {}), worker=COMMAND_LINE + 902)
    await installation.open()
    yield Context(installation, cli_actor(await choose(installation.store, None)))
    await installation.close()


def changed(context: Context, **sections: dict[str, Any]) -> Context:
    """The same installation under other settings: what the operator believes, not what runs."""
    settings = msgspec.convert(msgspec.to_builtins(context.settings), type(context.settings))
    for section, values in sections.items():
        for name, value in values.items():
            setattr(getattr(settings, section), name, value)
    installation = Installation.__new__(Installation)
    installation.__dict__.update(context.installation.__dict__)
    installation.settings = settings
    return replace(context, installation=installation)


@pytest.mark.parametrize(
    "check", [*THROUGH_THE_DOOR, receiving.hostile_messages_are_read, reporting.mailed_reports_are_taken]
)
async def test_the_running_mx(context: Context, check: Check) -> None:
    """Each check holds, says what it saw, and leaves no message behind."""
    found = await check(context)
    assert found.result is Result.PASSED, found.evidence
    left = await context.store.read(context.actor.workspace, lambda tx: tx.inbound.page(before=None, limit=10))
    assert left == []


@pytest.mark.parametrize("check", [*THROUGH_THE_DOOR, reporting.mailed_reports_are_taken])
async def test_an_mx_that_is_not_there(context: Context, check: Check) -> None:
    """A door that should be open and is not is a failure; an installation without the role is not configured."""
    assert (await check(changed(context, mx={"listen": [f"127.0.0.1:{free_port()}"]}))).result is Result.FAILED
    assert (await check(changed(context, server={"roles": ["web"]}))).result is Result.NOT_CONFIGURED


class Open(ReportSeal):
    """Seals nothing."""

    def seal(self, id: str, plain: bytes) -> bytes:
        return plain

    def open(self, id: str, sealed: bytes) -> bytes:
        return sealed


@pytest.mark.claim("INCIDENT-2")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("answers whoever it seems to be from", "a forged"),
        ("answers nobody", "a proven"),
        ("seals not", "clear"),
    ],
)
async def test_an_intake_that_does_wrong_is_found(
    context: Context, monkeypatch: pytest.MonkeyPatch, wrong: str, said: str
) -> None:
    """Letters to a forged author, none to a proven one, a report in clear: each is named."""
    if wrong == "seals not":
        monkeypatch.setattr(reporting, "ReportSeal", Open)
    else:
        silent = "" if "whoever" in wrong else "never"
        author = Author("finder@verify.invalid", silent)
        monkeypatch.setattr(MailedReports, "_author", lambda *facts: author)
    found = await reporting.mailed_reports_are_taken(context)
    assert (found.result, said in found.evidence) == (Result.FAILED, True), found.evidence
    assert await context.store.system_read(lambda tx: tx.reports.newest(5)) == []


@contextlib.asynccontextmanager
async def yes_sayer(ehlo: bytes = b"250 x\r\n") -> AsyncIterator[str]:
    """A server that agrees to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        content = False
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                if content:
                    content = line != b".\r\n"
                    if content:
                        continue
                    writer.write(b"250 2.0.0 Queued as rcv_00000000000000000000000000\r\n")
                elif line.startswith(b"DATA"):
                    content = True
                    writer.write(b"354 go\r\n")
                else:
                    writer.write(ehlo if line.startswith(b"EHLO") else b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("check", THROUGH_THE_DOOR)
async def test_an_mx_that_says_yes_and_keeps_nothing(context: Context, check: Check) -> None:
    """A 250 without a message in the store is found out."""
    async with yes_sayer(b"250-x\r\n250 STARTTLS\r\n") as address:
        found = await check(changed(context, mx={"listen": [address]}))
    assert found.result is Result.FAILED


@pytest.mark.claim("INPUT-3")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_recipients", 99, "one recipient more"),
        ("max_message_bytes", 1000, "a size beyond"),
        ("max_errors", 2, "errors without end"),
        ("max_refused_recipients", 2, "guesses"),
        ("max_connections_per_ip", 2, "one connection more"),
        ("connections_per_minute_ip", 3, "connections without end"),
    ],
)
async def test_a_laxer_mx_than_the_settings_say(context: Context, name: str, value: int, words: str) -> None:
    """The check asks what runs: a limit that is not what is written down is named, and only it."""
    found = await arriving.limits_of_receiving_have_their_answers(changed(context, mx={name: value}))
    assert (found.result, words in found.evidence) == (Result.FAILED, True), found.evidence
    assert ";" not in found.evidence


async def test_an_mx_without_starttls(context: Context) -> None:
    """STARTTLS that is not offered fails its promise."""
    async with yes_sayer() as address:
        found = await receiving.tls_facts_are_kept(changed(context, mx={"listen": [address]}))
    assert found.result is Result.FAILED
    assert "STARTTLS" in found.evidence


async def test_a_forged_verdict_that_is_handed_over(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed over with a verdict that somebody else wrote in our name is a failure."""
    forged = Content((("Authentication-Results", "x; dmarc=pass"),), "", "", "", ())
    monkeypatch.setattr(judging, "read", lambda *_: forged)
    assert (await judging.verdicts_reach_the_customer(context)).result is Result.FAILED


async def test_daemons_are_asked(context: Context, tmp_path: Path) -> None:
    """ClamAV and rspamd that are set and find what they should are named; one that is away or blind is a failure."""
    with Clamd() as clamd, Rspamd() as rspamd:
        found = await receiving.scanners_find_what_they_should(
            changed(context, scanning={"clamd": clamd.place, "rspamd": rspamd.url})
        )
        assert found.result is Result.PASSED, found.evidence
        assert "clamd, rspamd" in found.evidence
    gone = changed(context, scanning={"clamd": str(tmp_path / "none")})
    assert (await receiving.scanners_find_what_they_should(gone)).result is Result.FAILED
    with Clamd({"Other": b"something else"}) as blind:
        found = await receiving.scanners_find_what_they_should(changed(context, scanning={"clamd": blind.place}))
    assert found.result is Result.FAILED


@pytest.mark.claim("INPUT-4")
async def test_doors_of_submission_that_take_malware(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is malware and gets its 250 and 202 is found out at both doors; what is not scanned is said."""
    found = await leaving.malware_is_not_sent(context)
    assert found.result is Result.PASSED, found.evidence
    harmless = {"a zip": receiving.infected()["a file"].replace(b"WDVP", b"AAAA")}
    monkeypatch.setattr(leaving, "infected", lambda: harmless)
    found = await leaving.malware_is_not_sent(context)
    assert found.result is Result.FAILED
    assert ("SMTP answered" in found.evidence, "the API answered 202" in found.evidence) == (True, True), found.evidence
    unscanned = await leaving.malware_is_not_sent(changed(context, scanning={"outbound": False}))
    assert unscanned.result is Result.NOT_CONFIGURED


async def test_a_reader_without_room(context: Context) -> None:
    """Limits that do not let a hostile message be read are a failure."""
    found = await receiving.hostile_messages_are_read(changed(context, scanning={"memory_bytes": 1_000_000}))
    assert found.result is Result.FAILED


@pytest.mark.claim("INPUT-2")
async def test_a_reader_without_bounds(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is read to its end where a limit is to be named is a failure."""
    found = await receiving.hostile_messages_are_read(context)
    assert (found.result, "2 beyond a limit" in found.evidence) == (Result.PASSED, True), found.evidence
    for defect in receiving.unbounded():
        with monkeypatch.context() as patch:
            patch.setattr(receiving, "unbounded", lambda defect=defect: {defect: b"Subject: fine\r\n\r\nx\r\n"})
            found = await receiving.hostile_messages_are_read(context)
            assert (found.result, defect in found.evidence) == (Result.FAILED, True)


async def test_requests_and_answers(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every form is signed and every answer has its reply; another key or another reply is found out."""
    found = await handing.a_message_becomes_a_signed_request(context)
    assert found.result is Result.PASSED, found.evidence
    with monkeypatch.context() as patch:
        patch.setattr("mailward.app.inbound.desk.REFUSED", "nothing is refused any more")
        assert "became 450" in (await handing.a_message_becomes_a_signed_request(context)).evidence
    with monkeypatch.context() as patch:
        made = signing.headers
        patch.setattr(signing, "headers", lambda secrets, *rest, **more: made([bytes(32)], *rest, **more))
        found = await handing.a_message_becomes_a_signed_request(context)
    assert found.result is Result.FAILED
    assert "does not verify" in found.evidence


@pytest.mark.claim("EMAIL-9")
async def test_events_without_a_signature_are_found(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event with no signature, with that of one secret alone while two are in force, or sent with none at all."""

    def bare(self: Any, work: Any) -> dict[str, str]:
        return {"content-type": "application/json"}

    def newest(self: Any, work: Any) -> Any:
        return real(self, replace(work, secrets=work.secrets[:1]))

    def anything(self: Any, work: Any) -> Any:
        return real(self, work) if work.secrets else {"webhook-id": "1"}

    real = WebhookWorker._headers
    for wrong in (bare, newest, anything):
        with monkeypatch.context() as patch:
            patch.setattr(WebhookWorker, "_headers", wrong)
            found = await handing.a_message_becomes_a_signed_request(context)
            assert (found.result, "an event" in found.evidence) == (Result.FAILED, True), found.evidence


@pytest.mark.claim("INPUT-4")
async def test_mail_that_passes_while_a_scanner_is_down_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Received or sent, and one that is deferred though its route wants it; also where silence is taken for clean."""
    assert await receiving.passes_unscanned() == ""
    accepted = Accept()
    for module, name, wrong in (
        (receiving, "decide", lambda facts, terms: accepted),
        (receiving, "decide", lambda facts, terms: Defer("scanner_down", "")),
        (reading, "combine", lambda reports: reports[0]),
        (inspection, "Verdict", SimpleNamespace(INFECTED=1, UNAVAILABLE=2)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, wrong)
            assert await receiving.passes_unscanned()


@pytest.mark.claim("INCIDENT-2")
async def test_mail_to_the_address_for_reports_is_in_the_register(context: Context) -> None:
    """Sent to the running MX it is a report, of the null sender one that nobody is answered for."""
    async with talk(context) as dialogue:
        for command in ("MAIL FROM:<>", "RCPT TO:<Security@mailward.test>", "DATA"):
            assert (await dialogue.say(command))[:1] in "23"
        dialogue.writer.write(b"From: <a@example.org>\r\nSubject: A hole\r\n\r\nIt is open.\r\n.\r\n")
        assert (await dialogue.answer()) == "250 2.0.0 Queued as a report of a weakness, thank you\r\n"
    (report,) = await context.store.system_read(lambda tx: tx.reports.newest(5))
    content = content_of(report, ReportSeal(context.installation))
    assert (content.title, content.what, report.origin) == ("A hole", "It is open.", Origin.MAIL)
    assert content.mail is not None and not content.mail.answered
