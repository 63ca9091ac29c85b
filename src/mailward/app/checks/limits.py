"""INPUT-3, RATE-1 and RATE-2: each limit is driven to its end at the running doors, and its answer read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from mailward.app.checks import probe
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.checks.transport import Talk
from mailward.app.context import Context
from mailward.app.signing import load_domains
from mailward.base import ids
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.identity.credentials import Wish, parse_networks
from mailward.core.identity.model import CredentialKind
from mailward.policy import bursts
from mailward.policy.access import Scope
from mailward.policy.bursts import BurstRule, Traffic
from mailward.policy.decision import Refuse

# .invalid never resolves (RFC 6761 section 6.4): should a refusal be missing, nothing reaches anybody.
_FOREIGN = "someone@not-ours.invalid"
_TO = "nobody@verify.invalid"
_ELSEWHERE = "192.0.2.0/24"
# More connections than this are not opened for a question.
_MOST_CONNECTIONS = 800


@check("INPUT-3")
async def limits_have_their_answers(context: Context) -> Finding:
    """Over SMTP and HTTP: a foreign sender in each place, too many recipients, too much, and wrong attachments."""
    try:
        wrong, asked = await _over_smtp(context)
        more_wrong, more_asked = await _over_http(context)
    except NotThere as e:
        return failed(str(e))
    if wrong or more_wrong:
        return failed("; ".join([*wrong, *more_wrong][:5]))
    return passed(
        f"asked {asked} times over SMTP and {more_asked} over HTTP: foreign senders in the envelope and in From, too "
        "many recipients, too much, attachments by number and kind are refused, each with its own code"
    )


async def _over_smtp(context: Context) -> tuple[list[str], int]:
    most, size = context.settings.submission.max_recipients, context.settings.submission.max_message_bytes
    wrong: list[str] = []
    asked = 0

    async def expect(talk: Talk, what: str, reply: str, wanted: str) -> None:
        nonlocal asked
        asked += 1
        if not re.match(wanted, reply):
            wrong.append(f"SMTP answered {reply[:9].strip()!r} to {what}")

    async with (
        probe.temporary(context, probe.SENDING, CredentialKind.SMTP) as issued,
        probe.submission(context, probe.fresh_source(context)) as talk,
    ):
        await expect(talk, "a password", await probe.sign_in(talk, issued.credential.id, secret(issued)), "235 ")
        await expect(talk, "a foreign envelope sender", await talk.say(f"MAIL FROM:<{_FOREIGN}>"), "550[ -]5\\.7\\.1 ")
        reply = await talk.say(f"MAIL FROM:<> SIZE={size + 1}")
        await expect(talk, "a size beyond the limit", reply, "552[ -]5\\.3\\.4 ")
        await talk.say("MAIL FROM:<>")
        for _ in range(most):
            reply = await talk.say(f"RCPT TO:<{_TO}>")
        await expect(talk, f"recipient {most}", reply, "250[ -]")
        await expect(talk, "one recipient more", await talk.say(f"RCPT TO:<{_TO}>"), "452[ -]4\\.5\\.3 ")
        await talk.say("RSET")
        for what, extra in (
            ("a foreign From", f"From: <{_FOREIGN}>\r\n"),
            ("two From fields", f"From: <{_FOREIGN}>\r\nFrom: <{_FOREIGN}>\r\n"),
        ):
            await talk.say("MAIL FROM:<>")
            await talk.say(f"RCPT TO:<{_TO}>")
            await talk.say("DATA")
            reply = await talk.say(f"{extra}To: <{_TO}>\r\nSubject: verify\r\n\r\nA question.\r\n.")
            await expect(talk, what, reply, "55[04][ -]5\\.(7\\.1|6\\.0) ")
            await talk.say("RSET")
    return wrong, asked


async def _over_http(context: Context) -> tuple[list[str], int]:
    def message(**changes: object) -> dict[str, object]:
        return {"from": _FOREIGN, "to": _TO, "subject": "verify", "text": "A question.", "dry_run": True, **changes}

    own = await own_domain(context)
    program = {"filename": "invoice.pdf.exe", "content": "TVo="}
    cases: list[tuple[str, str, object, int, str]] = [
        ("a foreign From", "/v1/messages", message(), 403, "domain_not_verified"),
        ("51 recipients", "/v1/messages", message(to=[f"n{i}@verify.invalid" for i in range(51)]), 422,
         "too_many_recipients"),
        ("101 attachments", "/v1/messages", message(attachments=[{"filename": "a", "content": ""}] * 101), 422,
         "too_many_attachments"),
        ("a subject of 999 characters", "/v1/messages", message(subject="x" * 999), 422, "subject_too_long"),
        ("501 messages", "/v1/messages/batch", {"messages": [message()] * 501}, 422, "too_many_messages"),
    ]  # fmt: skip
    # What a message carries is judged after whose it is.
    if own:
        carrying = {**message(attachments=[program]), "from": f"verify@{own}"}
        cases.append(("a program as attachment", "/v1/messages", carrying, 422, "attachment_type_refused"))
    wrong = []
    async with probe.temporary(context, probe.SENDING) as issued:
        source = probe.fresh_source(context)
        for what, path, body, status, code in cases:
            heard = await probe.ask(context, "POST", path, key=secret(issued), body=body, source=source)
            if (heard.status, heard.code) != (status, code):
                wrong.append(f"the API answered {heard.status} {heard.code} to {what}")
    return wrong, len(cases)


async def own_domain(context: Context) -> str:
    """A domain the workspace may send from; "" without one."""
    own = (await load_domains(context.installation)).get(ids.decode("ws", context.actor.workspace), {})
    return next((d.name for d in own.values() if context.settings.capture or not d.capture_only), "")


@check("RATE-1")
async def requests_are_counted(context: Context) -> Finding:
    """Answers carry the RateLimit fields and count down; bad keys are turned away after a few; others go on."""
    limits = context.settings.limits
    try:
        async with probe.temporary(context, replace(probe.SENDING, scopes=frozenset({Scope.READ}))) as issued:
            source = probe.fresh_source(context)
            first = await probe.ask(context, "GET", "/v1/workspace", key=secret(issued), source=source)
            if limits.api_per_minute and not _counts(first.headers):
                return failed(f"an answer ({first.status}) carries no RateLimit and RateLimit-Policy fields")
            guesses = limits.auth_failures_per_minute_ip * 2 + context.settings.workers * 2 + 2
            turned = 0
            for _ in range(guesses):
                heard = await probe.ask(context, "GET", "/v1/workspace", key="mwk_" + "0" * 49, source=source)
                if heard.status == 429 and "retry-after" in heard.headers:
                    turned += 1
                elif heard.status not in (401, 429):
                    return failed(f"a wrong key was answered with {heard.status}")
            if not turned:
                return failed(f"{guesses} wrong keys from one address in a row, and none was told to wait")
            # All workers count in one bucket; what fills again during the question is allowed for.
            most = limits.auth_failures_per_minute_ip + max(2, limits.auth_failures_per_minute_ip // 2)
            if guesses - turned > most:
                return failed(
                    f"{guesses - turned} wrong keys from one address were looked at where "
                    f"{limits.auth_failures_per_minute_ip} a minute are allowed: the workers do not count together"
                )
            other = await probe.ask(
                context, "GET", "/v1/workspace", key=secret(issued), source=probe.fresh_source(context)
            )
            if other.status != 200:
                return failed(f"a good key from another address got {other.status} meanwhile")
    except NotThere as e:
        return failed(str(e))
    told = f"{turned} of {guesses} wrong keys from one address got 429 with Retry-After, another address none"
    if not limits.api_per_minute:
        return not_configured(f"limits.api_per_minute is 0: no rate on the API; {told}")
    return passed(f"answers carry RateLimit and RateLimit-Policy; {told}")


def _counts(headers: Mapping[str, str]) -> bool:
    policy = re.fullmatch(r'"[a-z-]+";q=\d+;w=\d+', headers.get("ratelimit-policy", ""))
    state = re.fullmatch(r'"[a-z-]+";r=\d+;t=\d+', headers.get("ratelimit", ""))
    return policy is not None and state is not None


@check("RATE-2")
async def stolen_credentials_send_nothing(context: Context) -> Finding:
    """A right password from a network that is not listed, guesses without end, and more connections than allowed."""
    bound = Wish("a stolen password", networks=parse_networks([_ELSEWHERE]))
    try:
        async with (
            probe.temporary(context, bound, CredentialKind.SMTP) as issued,
            probe.submission(context, probe.fresh_source(context)) as talk,
        ):
            reply = await probe.sign_in(talk, issued.credential.id, secret(issued))
            if not re.match(r"535[ -]5\.7\.8 ", reply):
                return failed(f"a password from a network that is not listed got {reply[:9].strip()!r}")
            reply = await talk.say("MAIL FROM:<>")
            if not reply.startswith("530"):
                return failed(f"after a refused sign-in MAIL got {reply[:9].strip()!r}")
        guesses = await _guess(context)
        if not guesses:
            return failed("wrong passwords from one address never got 421 4.7.0")
        crowd = await _crowd(context)
    except NotThere as e:
        return failed(str(e))
    if crowd is None:
        return failed("one address opened more connections than allowed")
    return passed(
        f"a right password from elsewhere got 535 5.7.8 and could not send; {guesses} wrong ones led to 421 4.7.0; "
        + (crowd or f"{_MOST_CONNECTIONS} connections are too few to reach the limit, so that was not tried")
    )


async def _guess(context: Context) -> int:
    """Wrong passwords from one address until 421 4.7.0; how many, or 0 when that never came."""
    source = probe.fresh_source(context)
    made = 0
    for _ in range((context.settings.limits.auth_failures_per_minute_ip + 1) * context.settings.workers * 2 + 2):
        async with probe.submission(context, source) as talk:
            reply = await probe.sign_in(talk, "smtp_" + "0" * 26, "mws_" + "0" * 49)
            made += 1
            if re.match(r"421[ -]4\.7\.0 ", reply):
                return made
    return 0


async def _crowd(context: Context) -> str | None:
    """Connections from one address beyond what this machine allows, whichever workers take them: 421 4.7.0."""
    cap = context.settings.submission.max_connections_per_ip
    if cap >= _MOST_CONNECTIONS:
        return ""
    address, source = probe.submission_address(context), probe.fresh_source(context)
    talks: list[Talk] = []
    try:
        turned = 0
        for _ in range(cap + 1):
            talk = await Talk.open(address, source)
            talks.append(talk)
            turned += bool(re.match(r"421[ -]4\.7\.0 ", await talk.answer()))
        return f"of {cap + 1} connections from one address {turned} got 421 4.7.0" if turned else None
    except (OSError, TimeoutError) as e:
        raise NotThere(f"{address} stopped answering ({type(e).__name__})") from None
    finally:
        for talk in talks:
            await talk.leave()


@check("RATE-2")
async def bursts_pause(context: Context) -> Finding:
    """The rules in force, tried on a burst; and every credential that burst lately is paused or was released."""
    limits = context.settings.limits
    rule = BurstRule(limits.burst_factor, limits.burst_floor)
    off = [name for name, value in (
        ("smtp_connections_per_minute_ip", limits.smtp_connections_per_minute_ip),
        ("smtp_messages_per_minute_domain", limits.smtp_messages_per_minute_domain),
    ) if not value]  # fmt: skip
    if off or not rule.on:
        return not_configured(f"switched off in the settings: {', '.join(off + ([] if rule.on else ['burst_factor']))}")
    burst = rule.factor * rule.floor
    if not isinstance(bursts.decide(rule, Traffic(burst + 1, bursts.DAY_SLOTS * 9, rule.floor)), Refuse):
        return failed("ten times the usual traffic and one more would not be taken for a burst")
    slot = bursts.slot_of(context.clock.now().timestamp())
    missed = await context.store.system_read(lambda tx: tx.credentials.bursting(slot - 1, rule))
    if missed:
        return failed(f"{missed} credentials burst within the last minutes and are neither paused nor released")
    paused = len(await context.store.system_read(lambda tx: tx.credentials.paused()))
    return passed(
        f"more than {rule.factor} times its busiest ten minutes and {rule.floor} recipients pauses a credential; "
        f"{paused} are paused now, none that burst lately goes on; rates per source and sender domain are on"
    )
