"""What is left of stored facts when fields are taken out of them. Pure: values in, values out, and twice is as once.

Which field takes what with it is told by the lists here and in docs/redaction.md. What another machine said in its own
words (a reply, a dialogue, an endpoint's answer) can repeat anything it was given, so it goes with subject, addresses
and body alike, and only its codes stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from mailward.core.messages.model import AttemptFacts, MessageFacts
from mailward.policy.redaction import REDACTED, gone, joined, talkative
from mailward.protocol.inbound.facts import ReceivedFacts

_REPLY: Final = re.compile(r"\d{3}(?:[ -]\d\.\d{1,3}\.\d{1,3})?")
_TLS: Final = frozenset(("version", "cipher", "verified"))
_TOLD_ADDRESSES: Final = ("from", "to", "recipient", "host")


def message(facts: MessageFacts, fields: Sequence[str], tokens: Sequence[bytes]) -> MessageFacts:
    """A sent message's facts without these fields. `tokens` are the keyed hashes of its recipients, in their order."""
    changed: dict[str, Any] = {"redacted": joined(facts.redacted, fields)}
    if "subject" in fields:
        changed["subject"] = gone(facts.subject)
    if "addresses" in fields:
        changed["mail_from"] = gone(facts.mail_from)
        changed["header_from"] = gone(facts.header_from)
        changed["to"] = gone(facts.to)
        changed["envid"] = ""
        changed["tokens"] = tuple(tokens)
    return replace(facts, **changed)


def attempt(facts: AttemptFacts, fields: Iterable[str]) -> AttemptFacts:
    """One try without them. With the addresses go the names of servers, which often hold the recipient's domain."""
    fields = frozenset(fields)
    if not talkative(fields):
        return facts
    changed: dict[str, Any] = {
        "text": gone(facts.text),
        "dialogue": [(at, who, _reduced(who, line)) for at, who, line in facts.dialogue],
    }
    if "addresses" in fields:
        changed["host"], changed["ip"], changed["why"] = gone(facts.host), "", gone(facts.why)
        changed["tls"] = {k: v for k, v in facts.tls.items() if k in _TLS}
    return replace(facts, **changed)


def _reduced(who: str, line: str) -> str:
    """A line of a dialogue by its verbs or codes alone."""
    kept = []
    for part in line.splitlines():
        if who == "S":
            found = _REPLY.match(part)
            kept.append(f"{found[0]} {REDACTED}" if found else REDACTED)
        else:
            verb, _, rest = part.partition(" ")
            kept.append(verb[:12].upper() + (f" {REDACTED}" if rest else "") if verb.isalpha() else REDACTED)
    return "\n".join(kept)


def moment(facts: str, fields: Iterable[str]) -> str:
    """One moment of a timeline (JSON) without them."""
    if not talkative(fields):
        return facts
    found = json.loads(facts)
    # A link that was followed is a piece of the content.
    spoken = ("text", "link") if "body" in fields else ("text",)
    changed = {name: REDACTED for name in spoken if isinstance(found, dict) and found.get(name)}
    return json.dumps({**found, **changed}, ensure_ascii=False) if changed else facts


def told(data: Mapping[str, object], fields: Iterable[str]) -> dict[str, object]:
    """What an endpoint is told of a message (or was) without them."""
    fields = frozenset(fields)
    out = dict(data)
    if "subject" in fields and out.get("subject"):
        out["subject"] = REDACTED
    if "addresses" in fields:
        for name in _TOLD_ADDRESSES:
            if out.get(name):
                out[name] = REDACTED
        if isinstance(listed := out.get("recipients"), list | tuple):
            out["recipients"] = [REDACTED] * len(listed)
    if talkative(fields) and out.get("text"):
        out["text"] = REDACTED
    if "body" in fields and out.get("link"):
        out["link"] = REDACTED
    return out


def event(body: bytes, fields: Iterable[str]) -> bytes:
    """An event as it is stored for replays, without them."""
    found = json.loads(body)
    if not isinstance(found, dict) or not isinstance(found.get("data"), dict):
        return body
    found["data"] = told(found["data"], fields)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def reason(text: str, fields: Iterable[str]) -> str:
    """Why a received message waits or was refused: a word of ours stays, words of an endpoint go."""
    return REDACTED if " " in text and talkative(fields) else text


def received(facts: ReceivedFacts, fields: Sequence[str]) -> ReceivedFacts:
    """A received message's facts without these fields. What it was found to be (verdicts) stays."""
    changed: dict[str, Any] = {"redacted": joined(facts.redacted, fields)}
    if "subject" in fields:
        changed["subject"] = gone(facts.subject)
    if "addresses" in fields:
        changed["mail_from"], changed["header_from"] = gone(facts.mail_from), gone(facts.header_from)
        changed["to"], changed["message_id"] = gone(facts.to), gone(facts.message_id)
        changed["recipients"] = (REDACTED,) * len(facts.recipients)
        changed["spf"] = replace(facts.spf, domain=gone(facts.spf.domain), reason=gone(facts.spf.reason))
        changed["dmarc"] = replace(facts.dmarc, domain=gone(facts.dmarc.domain), reason=gone(facts.dmarc.reason))
        changed["dkim"] = tuple(
            replace(d, domain=gone(d.domain), selector=gone(d.selector), reason=gone(d.reason)) for d in facts.dkim
        )
        changed["arc"] = replace(
            facts.arc, reason=gone(facts.arc.reason), sealers=tuple(REDACTED for _ in facts.arc.sealers)
        )
    if "ip" in fields:
        changed["ip"], changed["rdns"], changed["helo"] = gone(facts.ip), gone(facts.rdns), gone(facts.helo)
        if "spf" not in changed:
            changed["spf"] = replace(facts.spf, reason=gone(facts.spf.reason))
    if "addresses" in fields or "ip" in fields:
        changed["trace"] = ""
    if talkative(fields):
        changed["scan"] = replace(
            facts.scan,
            reason=gone(facts.scan.reason),
            matches=tuple(REDACTED for _ in facts.scan.matches) if "body" in fields else facts.scan.matches,
        )
        changed["defects"] = tuple(REDACTED for _ in facts.defects)
    if "body" in fields:
        changed["sha256"] = ""
    return replace(facts, **changed)
