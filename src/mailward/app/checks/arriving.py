"""INPUT-3 in the receiving direction: each limit of the MX is driven to its end, and its answer read."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator

from mailward.app.checks import probe
from mailward.app.checks.mx import MxSilent, hand_in, mx_address, remove, talk
from mailward.app.checks.registry import check
from mailward.app.checks.transport import Talk
from mailward.app.context import Context
from mailward.core.evidence.model import Finding, failed, not_configured, passed

# .invalid never resolves (RFC 6761 section 6.4), and nobody's domain ends in it.
_FOREIGN = "someone@not-ours.invalid"
_HEAD = b"From: verify@verify.invalid\r\nSubject: A check\r\n"
# More connections, refusals or recipients than this are not asked for.
_MOST = 800

CONTENTS: dict[str, tuple[bytes, str]] = {
    "a header over 64 KiB": (_HEAD + (b"X-Long: " + b"x" * 900 + b"\r\n") * 80 + b"\r\nHello\r\n", "552 5.3.4"),
    "more than 1,000 header fields": (_HEAD + b"X: y\r\n" * 1001 + b"\r\nHello\r\n", "554 5.6.0"),
    "more than 50 Received fields": (
        b"Received: from a.invalid by b.invalid; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 51 + _HEAD + b"\r\nHello\r\n",
        "554 5.4.6",
    ),
}
"""What is refused for its content, and with which answer (docs/receiving.md)."""


@check("INPUT-3")
async def limits_of_receiving_have_their_answers(context: Context) -> Finding:
    """Over SMTP to the MX: a domain that is not received, too many recipients, refusals, errors and connections, a size
    and headers beyond their limits."""
    if not mx_address(context):
        return not_configured("this installation does not receive mail (no role mx)")
    asked: list[str] = []
    wrong: list[str] = []

    def expect(what: str, reply: str, wanted: str) -> None:
        asked.append(what)
        if not re.match(wanted.replace(" ", "[ -]"), reply):
            wrong.append(f"the MX answered {reply[:9].strip()!r} to {what}")

    try:
        for part in (_envelopes, _refusals, _errors, _connections, _arrivals):
            async for what, reply, wanted in part(context):
                expect(what, reply, wanted)
        for what, (content, wanted) in CONTENTS.items():
            async with talk(context, source=probe.fresh_source(context)) as dialogue:
                said = await hand_in(dialogue, content)
            await remove(context, said)  # should it have been taken
            expect(what, said, wanted)
    except MxSilent as e:
        return failed("; ".join([str(e), *wrong]))
    if wrong:
        return failed("; ".join(wrong[:5]))
    return passed(f"the MX was asked {len(asked)} times, and each has its own answer: {', '.join(asked)}")


async def _envelopes(context: Context) -> AsyncIterator[tuple[str, str, str]]:
    mx = context.settings.mx
    async with talk(context, source=probe.fresh_source(context)) as dialogue:
        said = await dialogue.say(f"MAIL FROM:<> SIZE={mx.max_message_bytes + 1}")
        yield "a size beyond the limit", said, "552 5.3.4"
        await dialogue.say("MAIL FROM:<>")
        yield "a domain that is not received", await dialogue.say(f"RCPT TO:<{_FOREIGN}>"), "550 5.7.1"
        if mx.max_recipients <= _MOST:
            for _ in range(mx.max_recipients):
                said = await dialogue.say("RCPT TO:<postmaster>")
            yield f"recipient {mx.max_recipients}", said, "250 "
            yield "one recipient more", await dialogue.say("RCPT TO:<postmaster>"), "452 4.5.3"


async def _refusals(context: Context) -> AsyncIterator[tuple[str, str, str]]:
    most = context.settings.mx.max_refused_recipients
    if most <= _MOST:
        async with talk(context, source=probe.fresh_source(context)) as dialogue:
            await dialogue.say("MAIL FROM:<>")
            yield "guesses at addresses", await _until(dialogue, f"RCPT TO:<{_FOREIGN}>", most + 2), "421 4.7.0"


async def _errors(context: Context) -> AsyncIterator[tuple[str, str, str]]:
    most = context.settings.mx.max_errors
    if most <= _MOST:
        async with talk(context, source=probe.fresh_source(context)) as dialogue:
            yield "errors without end", await _until(dialogue, "NONSENSE", most + 2), "421 4.7.0"


async def _until(dialogue: Talk, command: str, most: int) -> str:
    """The first answer that ends the session; else the last one."""
    said = ""
    for _ in range(most):
        said = await dialogue.say(command)
        if said.startswith("421"):
            break
    return said


async def _connections(context: Context) -> AsyncIterator[tuple[str, str, str]]:
    mx = context.settings.mx
    most = mx.max_connections_per_ip
    # Behind a balancer a source is what the balancer says, and we come as the balancer itself.
    if most > _MOST or mx.proxies:
        return
    source = probe.fresh_source(context)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(most):
            dialogue = await stack.enter_async_context(talk(context, source=source))
            if not dialogue.greeting.startswith("250"):
                yield f"{most} connections of an address", dialogue.greeting, "250 "
                return
        dialogue = await stack.enter_async_context(talk(context, source=source, greet=False))
        yield "one connection more", await dialogue.answer(), "421 4.7.0"


async def _arrivals(context: Context) -> AsyncIterator[tuple[str, str, str]]:
    mx = context.settings.mx
    most = mx.connections_per_minute_ip
    if not 0 < most <= _MOST or mx.proxies:
        return
    source, said = probe.fresh_source(context), ""
    # What is given back while we ask is allowed for.
    for _ in range(most + most // 4 + 2):
        async with talk(context, source=source, greet=False) as dialogue:
            said = await dialogue.answer()
        if not said.startswith("220"):
            break
    yield "connections without end", said, "421 4.7.0"
