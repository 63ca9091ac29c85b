"""INPUT-4 at the doors of submission: a file that is malware is refused over SMTP and HTTP."""

from __future__ import annotations

import base64
from typing import Any

from mailward.app.checks import probe
from mailward.app.checks.limits import own_domain
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.receiving import infected
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.identity.model import CredentialKind

# .invalid never resolves (RFC 6761 section 6.4): should the refusal be missing, it reaches nobody.
_TO = "nobody@verify.invalid"
_HARMLESS = b"A file of text.\r\n"


@check("INPUT-4")
async def malware_is_not_sent(context: Context) -> Finding:
    """EICAR in a zip is submitted as a file over SMTP and HTTP: refused with 554 5.7.0 and 422 `malware_refused`. The
    same message with a harmless file is no fault of its form: the API would take it."""
    if not context.settings.scanning.outbound:
        return not_configured("the files of what is sent are not looked into (scanning.outbound)")
    own = await own_domain(context)
    if not own:
        return not_configured("no domain of this workspace may send: the doors would refuse for that")
    try:
        wrong = [*await _over_http(context, own), *await _over_smtp(context, own)]
    except NotThere as e:
        return failed(str(e))
    if wrong:
        return failed("; ".join(wrong))
    return passed("EICAR in a zip was refused as a file at submission: 554 5.7.0 over SMTP, 422 over HTTP")


async def _over_http(context: Context, own: str) -> list[str]:
    def message(file: bytes, **more: object) -> dict[str, object]:
        files = [{"filename": "a.bin", "content": base64.b64encode(file).decode()}]
        subject, sender = "verify", f"verify@{own}"
        return {"from": sender, "to": _TO, "subject": subject, "text": "A question.", "attachments": files, **more}

    wrong = []
    async with probe.temporary(context, probe.SENDING) as issued:
        how: dict[str, Any] = {"key": secret(issued), "source": probe.fresh_source(context)}
        fine = await probe.ask(context, "POST", "/v1/messages", body=message(_HARMLESS, dry_run=True), **how)
        if fine.status not in (200, 202):
            wrong.append(f"the API answered {fine.status} {fine.code} to a harmless file")
        heard = await probe.ask(context, "POST", "/v1/messages", body=message(_eicar()), **how)
        if (heard.status, heard.code) != (422, "malware_refused"):
            wrong.append(f"the API answered {heard.status} {heard.code} to a file that is malware")
    return wrong


async def _over_smtp(context: Context, own: str) -> list[str]:
    if not context.settings.submission.starttls:
        return []
    content = infected()["a zip"].replace(b"verify@verify.invalid", f"verify@{own}".encode(), 1)
    async with (
        probe.temporary(context, probe.SENDING, CredentialKind.SMTP) as issued,
        probe.submission(context, probe.fresh_source(context)) as talk,
    ):
        await probe.sign_in(talk, issued.credential.username, secret(issued))
        for command, wanted in ((f"MAIL FROM:<verify@{own}>", "250"), (f"RCPT TO:<{_TO}>", "250"), ("DATA", "354")):
            said = await talk.say(command)
            if not said.startswith(wanted):
                return [f"SMTP answered {said[:9].strip()!r} before the content of a message"]
        talk.writer.write(content + b".\r\n")
        said = await talk.answer()
    return [] if said.startswith("554 5.7.0") else [f"SMTP answered {said[:9].strip()!r} to a file that is malware"]


def _eicar() -> bytes:
    """The test file in a zip, as `infected` attaches it."""
    part = infected()["a zip"].partition(b"base64\r\n\r\n")[2].partition(b"--b--")[0]
    return base64.b64decode(part)
