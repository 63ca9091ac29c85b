"""Our own JSON: the message, how it came, every verdict with its reason, what was malformed, and how long we took."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec

from mailward.protocol.inbound.content import Content, File
from mailward.protocol.inbound.facts import ReceivedFacts

TYPE = "message.received"
_ENCODE = msgspec.json.Encoder().encode


def json(
    facts: ReceivedFacts, content: Content, *, event: str, id: str, route: str, at: int, raw_url: str = ""
) -> tuple[str, bytes]:
    """(content type, body). `event` is the id of this hand-over, `id` the message's, `at` microseconds UTC."""
    when = datetime.fromtimestamp(at / 1_000_000, UTC).isoformat().replace("+00:00", "Z")
    data = {
        "message": id,
        "route": route,
        "received_at": when,
        "envelope": {
            "from": facts.mail_from,
            "recipients": list(facts.recipients),
            "helo": facts.helo,
            "remote_ip": facts.ip,
            "remote_name": facts.rdns or None,
            "tls": bool(facts.tls_version),
            "tls_version": facts.tls_version or None,
            "tls_cipher": facts.tls_cipher or None,
            "smtputf8": facts.smtputf8,
        },
        "authentication": authentication(facts),
        "scan": scan(facts),
        "from": facts.header_from,
        "to": facts.to,
        "subject": facts.subject,
        "message_id": facts.message_id,
        "auto_submitted": facts.auto_submitted,
        "headers": [{"name": name, "value": value} for name, value in content.headers],
        "plain": content.plain,
        "html": content.html,
        "reply_plain": content.reply_plain,
        "attachments": [_file(f) for f in content.files],
        "defects": sorted({*facts.defects, *content.defects}),
        "raw": {"size": facts.size, "sha256": facts.sha256, "url": raw_url or None},
        "processing_ms": facts.took_us / 1000,
    }
    return "application/json", _ENCODE({"type": TYPE, "timestamp": when, "id": event, "data": data})


def authentication(facts: ReceivedFacts) -> dict[str, Any]:
    """Every verdict with its reason, in sentences a person can read."""
    spf, dmarc, arc = facts.spf, facts.dmarc, facts.arc
    return {
        "spf": {"result": spf.result, "domain": spf.domain, "scope": spf.scope, "reason": spf.reason},
        "dkim": [
            {
                "result": s.result,
                "domain": s.domain,
                "selector": s.selector,
                "algorithm": s.algorithm,
                "reason": s.reason,
            }
            for s in facts.dkim
        ],
        "dmarc": {
            "result": dmarc.result,
            "domain": dmarc.domain,
            "policy": dmarc.policy,
            "spf_aligned": dmarc.spf_aligned,
            "dkim_aligned": dmarc.dkim_aligned,
            "reason": dmarc.reason,
        },
        "arc": {"result": arc.result, "sealers": list(arc.sealers), "reason": arc.reason},
    }


def scan(facts: ReceivedFacts) -> dict[str, Any]:
    """What the scanners said."""
    s = facts.scan
    return {
        "verdict": s.verdict,
        "reason": s.reason,
        "engines": list(s.engines),
        "matches": list(s.matches),
        "score": s.score,
        "symbols": list(s.symbols),
    }


def _file(f: File) -> dict[str, Any]:
    out: dict[str, Any] = {
        "file_name": f.file_name,
        "content_type": f.content_type,
        "size": f.size,
        "disposition": f.disposition,
        "content_id": f.content_id,
    }
    if f.url:
        out["url"] = f.url
    else:
        out["content"] = base64.b64encode(f.content).decode("ascii")
    return out
