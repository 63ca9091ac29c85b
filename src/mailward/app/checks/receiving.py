"""TRANSIT-4, INPUT-2 and INPUT-4: the running MX is sent mail, and its reader and scanners what they are there for."""

from __future__ import annotations

import base64
import hashlib
import io
import time
import zipfile

import msgspec

from mailward.adapters.scanners.examiner import Examiner, Unexaminable
from mailward.adapters.scanners.frames import Examination
from mailward.app.checks.mx import MxSilent, hand_in, mx_address, received, talk
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.inbound.reading import Reader, report_of
from mailward.app.inbound.scanning import examiner_of, scanners_of
from mailward.app.inspection import Inspection
from mailward.base.errors import Unavailable
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.policy.inbound import Defer, Facts, Terms, decide
from mailward.policy.scanning import Report, Subject, Verdict, unavailable
from mailward.protocol.inbound import own
from mailward.protocol.inbound.content import Content

_PLAIN = b"From: verify@verify.invalid\r\nSubject: A check\r\nAuto-Submitted: auto-generated\r\n\r\nHello\r\n"
# The EICAR test file and GTUBE, in halves: whole, this file would be found by the scanners it is about.
_EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
_GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
_NOBODY = Subject("127.0.0.1", "verify.invalid", "", ("postmaster",))
_LONGEST = 1.0
_DEEP, _MANY, _MOST_PARTS = 100, 2000, 1000
_NONE = "this installation does not receive mail (no role mx)"


@check("TRANSIT-4")
async def tls_facts_are_kept(context: Context) -> Finding:
    """Send one message in the clear and one over TLS: the stored facts, and the webhook made of them, tell which."""
    if not mx_address(context):
        return not_configured(_NONE)
    try:
        async with talk(context) as dialogue:
            if "STARTTLS" not in dialogue.greeting:
                return failed("the MX does not offer STARTTLS")
        async with received(context, _PLAIN) as (clear, _), received(context, _PLAIN, tls=True) as (secured, _):
            said = []
            for message in (clear, secured):
                f = message.facts
                _, body = own.json(f, Content((), "", "", "", ()), event="evt", id="rcv", route="rte", at=message.at)
                envelope = msgspec.json.decode(body)["data"]["envelope"]
                if (envelope["tls_version"] or "", envelope["tls_cipher"] or "") != (f.tls_version, f.tls_cipher):
                    return failed("the webhook does not say what is stored of a message's TLS")
                said.append((f.tls_version, f.tls_cipher))
    except MxSilent as e:
        return failed(str(e))
    if said[0] != ("", "") or not said[1][0].startswith("TLSv1.") or not said[1][1]:
        return failed(f"a message in the clear is stored as {said[0]}, one over TLS as {said[1]}")
    return passed(f"STARTTLS is offered; one message was stored as {' '.join(said[1])}, one as sent in the clear")


def torture() -> dict[str, bytes]:
    """Messages that stall or break parsers, each within the caps of the door."""
    head = b"From: a@verify.invalid\r\nMIME-Version: 1.0\r\n"
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1500))
    mixed = head + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    return {
        "1,500 parts inside each other": head + deep,
        "100,000 parts": mixed + b"--b\r\n\r\nx\r\n" * 100_000,
        "near boundaries": mixed + b"--b\r\n\r\n" + b"\r\n--bx" * 100_000,
        "dots in an address": b"From: " + (b"." * 900 + b"\r\n ") * 55 + b"a@b.invalid\r\n\r\n",
        "half encoded words": head + b"Subject: " + b"=?=?=?=?=?\r\n " * 4000 + b"x\r\n\r\n",
        "parameters": head + b"Content-Type: a/b" + b';\r\n a="b"' * 5000 + b"\r\n\r\n",
        "no header at all": bytes(range(1, 10)) + b"\xff" * 100_000,
    }


@check("INPUT-2")
async def hostile_messages_are_read(context: Context) -> Finding:
    """Messages known to stall parsers are read in a limited process as the settings have it, each within a second."""
    examiner = examiner_of(context.settings.scanning)
    slowest = 0.0
    cases = torture()
    try:
        await examiner.start()
        for name, content in cases.items():
            began = time.monotonic()
            await examiner.examine(content)
            took = time.monotonic() - began
            if took > _LONGEST:  # perhaps the machine was busy: the message is to blame when it is slow again
                began = time.monotonic()
                await examiner.examine(content)
                took = time.monotonic() - began
            if took > _LONGEST:
                return failed(f"reading {name} took {took:.1f} s")
            slowest = max(slowest, took)
        for defect, content in unbounded().items():
            found = await examiner.examine(content)
            if defect not in found.defects or found.parts > _MOST_PARTS:
                return failed(f"a message beyond a limit was read whole: {found.parts} parts, and no {defect}")
    except (Unexaminable, Unavailable) as e:
        return failed(f"a hostile message broke its reader: {e}")
    finally:
        await examiner.close()
    milliseconds = round(slowest * 1000)
    return passed(
        f"{len(cases)} hostile messages were read in a limited process, the slowest in {milliseconds} ms; of "
        f"{len(unbounded())} beyond a limit of depth or parts the rest was left unread, and that is named"
    )


def unbounded() -> dict[str, bytes]:
    """Messages of more parts, and nested deeper, than any mail needs; by the defect that is to be named."""
    head = "Subject: verify\r\nMIME-Version: 1.0\r\n"
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(_DEEP))
    parts = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * _MANY
    return {
        "nested_too_deep": f"{head}{nested}\r\nx\r\n".encode(),
        "too_many_parts": f"{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n".encode(),
    }


@check("INPUT-2")
async def octets_are_kept(context: Context) -> Finding:
    """A malformed message that the MX took is read back octet for octet; bare line ends and NUL are refused."""
    if not mx_address(context):
        return not_configured(_NONE)
    broken = (
        b"From verify\r\nSubject : x\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Type: text/html\r\n"
        b"broken line\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n*not base64*\r\n.\r\n..\r\n\xff\xfe end"
    ).replace(b"end", b"end\r\n")
    try:
        async with received(context, broken) as (message, content):
            digest = hashlib.sha256(broken).hexdigest()
            if content != broken or message.facts.sha256 != digest:
                return failed("a malformed message was not kept octet for octet")
            if not message.facts.defects:
                return failed("what is malformed in a message was not reported")
            defects = len(message.facts.defects)
        for bare in (b"a\nb", b"a\rb", b"a\0b"):
            async with talk(context) as dialogue:
                said = await hand_in(dialogue, b"Subject: x\r\n\r\n" + bare + b"\r\n")
            if not said.startswith("550 5.6.0"):
                return failed(f"a bare line end or NUL was answered {said.strip()[:60]}")
    except MxSilent as e:
        return failed(str(e))
    return passed(f"a malformed message was kept octet for octet, {defects} defects named; bare CR, LF, NUL: 550 5.6.0")


def _zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.com", data)
    return out.getvalue()


def infected() -> dict[str, bytes]:
    """The EICAR test file where it hides: in a file, a zip, a zip in a zip, and a message inside the message."""

    def attached(data: bytes) -> bytes:
        encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
        return (
            b"From: verify@verify.invalid\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\n"
            b"Content-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + encoded
            + b"--b--\r\n"
        )

    outer = b"From: verify@verify.invalid\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"
    zipped = _zipped(_EICAR)
    return {
        "a file": attached(_EICAR),
        "a zip": attached(zipped),
        "a zip in a zip": attached(_zipped(zipped)),
        "a message inside the message": outer + attached(zipped),
    }


@check("INPUT-4")
async def scanners_find_what_they_should(context: Context) -> Finding:
    """The embedded rules and each daemon the settings name are shown EICAR, nested, and GTUBE, and a plain message."""
    scanning = context.settings.scanning
    examiner = examiner_of(scanning)
    told = []
    try:
        found = await _embedded(examiner)
    finally:
        await examiner.close()
    if found:
        return failed(found)
    told.append("the embedded rules")
    for scanner in scanners_of(scanning):
        if (plain := (await scanner.scan(_PLAIN, _NOBODY)).verdict) is not Verdict.CLEAN:
            return failed(f"{scanner.name} calls a plain message {plain.value}")
        if scanner.name == "rspamd":
            cases, wanted = {"GTUBE": _PLAIN + _GTUBE + b"\r\n"}, Verdict.SPAM
        else:
            cases, wanted = infected(), Verdict.INFECTED
        for name, content in cases.items():
            report = await scanner.scan(content, _NOBODY)
            if report.verdict is not wanted:
                return failed(f"{scanner.name} calls EICAR or GTUBE in {name} {report.verdict.value}: {report.reason}")
        told.append(scanner.name)
    if wrong := await passes_unscanned():
        return failed(wrong)
    return passed(
        f"EICAR in {', '.join(infected())} and GTUBE were found by {', '.join(told)}; while one is down mail is "
        "deferred, in both directions"
    )


class _Down:
    """A scanner that is away."""

    name = "verify"

    async def scan(self, content: bytes, subject: Subject) -> Report:
        return unavailable(self.name, "it is away")


class _Clean:
    """An examination that finds nothing."""

    async def examine(self, content: bytes) -> Examination:
        return Examination("verify", (), (), 1, (), (), True)


async def passes_unscanned() -> str:
    """What is let through while a scanner is down; "" when nothing is, but where a route asks for that."""
    reader = Reader(_Clean(), [_Down()])
    report = (await reader.read(_PLAIN, _NOBODY)).report
    facts = Facts(0, "", report, "none", "none", "", False)
    for terms in (Terms(), Terms(malware="refuse", spam="refuse", dmarc="enforce"), Terms(spam="mark")):
        if not isinstance(decide(facts, terms), Defer):
            return "received mail is taken while a scanner is down"
        if isinstance(decide(facts._replace(accept_unscanned=True), terms), Defer):
            return "mail that a route wants unscanned is deferred"
    try:
        await Inspection(reader, "verify.invalid").require_clean(_PLAIN, "", [])
    except Unavailable:
        return ""
    return "files are sent while a scanner is down"


async def _embedded(examiner: Examiner) -> str:
    """What the embedded rules did not find; "" when all is well."""
    try:
        await examiner.start()
        if report_of(await examiner.examine(_PLAIN)).verdict is not Verdict.CLEAN:
            return "the embedded rules match a plain message"
        for name, content in infected().items():
            if report_of(await examiner.examine(content)).verdict is not Verdict.INFECTED:
                return f"EICAR in {name} was not found by the embedded rules"
    except (Unexaminable, Unavailable) as e:
        return f"a test message could not be examined: {e}"
    return ""


@check("INPUT-4")
async def malware_at_the_door(context: Context) -> Finding:
    """The running MX is sent EICAR in a zip: it is held for a person or refused, as the settings say."""
    if not mx_address(context):
        return not_configured(_NONE)
    content = infected()["a zip"]
    try:
        if context.settings.scanning.malware == "refuse":
            async with talk(context) as dialogue:
                said = await hand_in(dialogue, content)
            return passed("refused with 554 5.7.0") if said.startswith("554 5.7.0") else failed(f"answered {said[:60]}")
        async with received(context, content) as (message, _):
            if message.facts.scan.verdict != Verdict.INFECTED.value or not message.reason:
                return failed(f"the MX took EICAR in a zip as {message.facts.scan.verdict}")
    except MxSilent as e:
        return failed(str(e))
    return passed("EICAR in a zip was taken into quarantine by the running MX")
