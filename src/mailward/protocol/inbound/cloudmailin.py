"""The three documented forms of CloudMailin's HTTP POST: JSON normalized, multipart normalized, raw.

Names, nesting and types are the documentation's. What we know beyond it stands beside it in the envelope
(`tls_version`, `tls_cipher`, `message_id`), where a receiver that reads the documented fields does not look.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from mailward.base.sources import Entropy
from mailward.protocol.inbound import form
from mailward.protocol.inbound.content import Content, File, grouped
from mailward.protocol.inbound.facts import DkimFacts, DmarcFacts, ReceivedFacts, ScanFacts
from mailward.protocol.inbound.form import Field

_ENCODE = msgspec.json.Encoder().encode
# The results that the documentation lists; what is beside them is told as the nearest.
_DKIM = {"policy": "neutral", "none": "neutral"}


def json(facts: ReceivedFacts, content: Content, *, id: str) -> tuple[str, bytes]:
    """(content type, body) of JSON normalized."""
    shown = {name: values[0] if len(values) == 1 else values for name, values in grouped(content.headers).items()}
    body = {
        "headers": shown,
        "envelope": envelope(facts, id=id),
        "plain": content.plain,
        "html": content.html,
        "reply_plain": content.reply_plain,
        "attachments": [_file(f) for f in content.files],
    }
    return "application/json", _ENCODE(body)


def envelope(facts: ReceivedFacts, *, id: str) -> dict[str, Any]:
    """The envelope: who, from where, how, and what the checks said."""
    out: dict[str, Any] = {
        "to": facts.recipients[0] if facts.recipients else "",
        "recipients": list(facts.recipients),
        "from": facts.mail_from,
        "helo_domain": facts.helo,
        "remote_ip": facts.ip,
        "spf": {"result": facts.spf.result, "domain": facts.spf.domain},
        "tls": bool(facts.tls_version),
        "tls_version": facts.tls_version or None,
        "tls_cipher": facts.tls_cipher or None,
        "message_id": id,
        "dkim": _dkim(facts.dkim),
        "dmarc": _dmarc(facts.dmarc, facts.dkim, facts.spf.result),
    }
    if facts.scan.score is not None:
        out["spamd"] = _spamd(facts.scan)
    return out


def _dkim(signatures: tuple[DkimFacts, ...]) -> dict[str, Any]:
    results = [
        {"result": _DKIM.get(s.result, s.result), "domain": s.domain, "selector": s.selector} for s in signatures
    ]
    return {"success": any(s.result == "pass" for s in signatures), "result": results}


def _dmarc(dmarc: DmarcFacts, signatures: tuple[DkimFacts, ...], spf: str) -> dict[str, Any]:
    return {
        "success": dmarc.result == "pass",
        "result": dmarc.result,
        "details": {
            "domain": dmarc.domain,
            "policy": dmarc.policy,
            "spf_result": spf,
            "dmarc_spf_result": "pass" if dmarc.spf_aligned else "fail",
            "dmarc_dkim_result": "pass" if dmarc.dkim_aligned else "fail",
            "dkim_results": _dkim(signatures)["result"],
        },
    }


def _spamd(scan: ScanFacts) -> dict[str, Any]:
    # The score is a string in the documentation.
    return {
        "score": f"{scan.score:.1f}",
        "success": scan.verdict != "unavailable",
        "symbols": list(scan.symbols),
        "description": scan.reason,
    }


def _file(f: File) -> dict[str, Any]:
    out: dict[str, Any] = {
        "file_name": f.file_name,
        "content_type": f.content_type,
        "size": f.size,
        "disposition": f.disposition,
    }
    if f.content_id:
        out["content_id"] = f.content_id
    if f.url:
        out["url"] = f.url
    else:
        out["content"] = base64.b64encode(f.content).decode("ascii")
    return out


def multipart(facts: ReceivedFacts, content: Content, entropy: Entropy, *, id: str) -> tuple[str, bytes]:
    """(content type, body) of multipart normalized. Without files there is no `attachments` field at all."""
    return form.encode(_normalized(facts, content, id), entropy)


def _normalized(facts: ReceivedFacts, content: Content, id: str) -> Iterator[Field]:
    yield Field("plain", _utf8(content.plain))
    yield Field("html", _utf8(content.html))
    yield Field("reply_plain", _utf8(content.reply_plain))
    for name, values in grouped(content.headers).items():
        if len(values) == 1:
            yield Field(f"headers[{name}]", _utf8(values[0]))
        else:
            yield from (Field(f"headers[{name}][{n}]", _utf8(value)) for n, value in enumerate(values))
    yield from _envelope_fields(facts, id)
    for f in content.files:
        if not f.url:
            yield Field("attachments[]", f.content, f.file_name, f.content_type)
            continue
        for name, text in (
            ("file_name", f.file_name),
            ("content_type", f.content_type),
            ("size", str(f.size)),
            ("disposition", f.disposition),
            ("url", f.url),
        ):
            yield Field(f"attachments[][{name}]", _utf8(text))


def raw(facts: ReceivedFacts, content: Content, entropy: Entropy, *, id: str) -> tuple[str, bytes]:
    """(content type, body) of the raw form: the message, octet for octet, and the envelope."""
    return form.encode((Field("message", content.raw), *_envelope_fields(facts, id)), entropy)


def _envelope_fields(facts: ReceivedFacts, id: str) -> Iterator[Field]:
    yield Field("envelope[to]", _utf8(facts.recipients[0] if facts.recipients else ""))
    for n, recipient in enumerate(facts.recipients):
        yield Field(f"envelope[recipients][{n}]", _utf8(recipient))
    yield Field("envelope[from]", _utf8(facts.mail_from))
    yield Field("envelope[helo_domain]", _utf8(facts.helo))
    yield Field("envelope[remote_ip]", _utf8(facts.ip))
    yield Field("envelope[spf][result]", _utf8(facts.spf.result))
    yield Field("envelope[spf][domain]", _utf8(facts.spf.domain))
    yield Field("envelope[tls]", b"true" if facts.tls_version else b"false")
    yield Field("envelope[tls_version]", _utf8(facts.tls_version))
    yield Field("envelope[tls_cipher]", _utf8(facts.tls_cipher))
    yield Field("envelope[message_id]", _utf8(id))


def authorization(
    *, to: str, mail_from: str, size: int | None, ip: str, helo: str, spf_result: str, spf_domain: str
) -> tuple[str, bytes]:
    """(content type, body) of the question asked at RCPT, before any data; `size` as SIZE declared it."""
    body: dict[str, Any] = {"to": to, "from": mail_from}
    if size is not None:
        body["size"] = size
    body |= {"remote_ip": ip, "helo_domain": helo, "spf": {"result": spf_result, "domain": spf_domain}}
    return "application/json", _ENCODE(body)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
