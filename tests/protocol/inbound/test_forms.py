"""The forms in which a received message is posted, against what is documented."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from email import policy
from email.message import MIMEPart
from email.parser import BytesParser
from typing import Any

import pytest
import standardwebhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mailward.protocol.inbound import cloudmailin, own, signing
from mailward.protocol.inbound.content import Content, File, from_structure, without_forged
from mailward.protocol.inbound.facts import (
    DECODER,
    ENCODER,
    ArcFacts,
    DkimFacts,
    DmarcFacts,
    ReceivedFacts,
    ScanFacts,
    SpfFacts,
)
from mailward.protocol.message import headers, structure
from mailward.protocol.webhooks import show_secret

RAW = (
    b"Received: from a\r\nReceived: from b\r\nMIME-Version: 1.0\r\nMessage-ID: <1@example.org>\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: Ada <ada@example.org>\r\nTo: help@in.example.com\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHall\xc3\xb6\r\n\r\n> quoted\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hall\xc3\xb6</p>\r\n"
    b'--b\r\nContent-Type: text/csv; name="a.csv"\r\nContent-Disposition: attachment; filename="a.csv"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\nMSwyCg==\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Disposition: inline; filename=logo.png\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--b--\r\n"
)


class Counting:
    """Entropy that is the same each time."""

    def bytes(self, n: int) -> bytes:
        return bytes(range(n))


def facts(**more: Any) -> ReceivedFacts:
    given: dict[str, Any] = {
        "helo": "mx.example.org",
        "ip": "192.0.2.1",
        "tls_version": "TLSv1.3",
        "tls_cipher": "TLS_AES_256_GCM_SHA384",
        "mail_from": "ada@example.org",
        "recipients": ("help@in.example.com", "two@in.example.com"),
        "header_from": "Ada <ada@example.org>",
        "to": "help@in.example.com",
        "subject": "Grüße",
        "message_id": "<1@example.org>",
        "size": len(RAW),
        "sha256": hashlib.sha256(RAW).hexdigest(),
        "spf": SpfFacts("pass", "example.org", "192.0.2.1 is listed."),
        "dkim": (DkimFacts("pass", "example.org", "s1", "ok"), DkimFacts("policy", "other.org", "s2", "l= is unsafe")),
        "dmarc": DmarcFacts("pass", "example.org", "reject", "SPF is aligned.", True, False),
        "arc": ArcFacts("none"),
        "scan": ScanFacts("clean", "", ("yara",)),
    }
    return ReceivedFacts(**{**given, **more})


def content(raw: bytes = RAW) -> Content:
    return from_structure(raw, headers.split(raw, tolerant=True), structure.read(raw))


def fields(kind: str, body: bytes) -> list[tuple[str, MIMEPart]]:
    """What a form decoder finds: (name, part) each."""
    found = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    out = []
    for part in found.iter_parts():
        name = part.get_param("name", header="content-disposition")
        out.append((str(name), part))
    return out


def test_json_normalized_is_as_documented() -> None:
    """Names, nesting and types of JSON normalized, exactly."""
    kind, body = cloudmailin.json(facts(), content(), id="rcv_1")
    assert kind == "application/json"
    got = json.loads(body)
    assert list(got) == ["headers", "envelope", "plain", "html", "reply_plain", "attachments"]
    assert got["headers"] == {
        "received": ["from a", "from b"],
        "mime_version": "1.0",
        "message_id": "<1@example.org>",
        "subject": "Grüße",
        "from": "Ada <ada@example.org>",
        "to": "help@in.example.com",
        "content_type": "multipart/mixed; boundary=b",
    }
    beyond = {"tls_version": "TLSv1.3", "tls_cipher": "TLS_AES_256_GCM_SHA384", "message_id": "rcv_1"}
    signatures = [
        {"result": "pass", "domain": "example.org", "selector": "s1"},
        {"result": "neutral", "domain": "other.org", "selector": "s2"},
    ]
    assert got["envelope"] == {
        "to": "help@in.example.com",
        "recipients": ["help@in.example.com", "two@in.example.com"],
        "from": "ada@example.org",
        "helo_domain": "mx.example.org",
        "remote_ip": "192.0.2.1",
        "spf": {"result": "pass", "domain": "example.org"},
        "tls": True,
        "dkim": {"success": True, "result": signatures},
        "dmarc": {
            "success": True,
            "result": "pass",
            "details": {
                "domain": "example.org",
                "policy": "reject",
                "spf_result": "pass",
                "dmarc_spf_result": "pass",
                "dmarc_dkim_result": "fail",
                "dkim_results": signatures,
            },
        },
        **beyond,
    }
    assert (got["plain"], got["html"], got["reply_plain"]) == ("Hallö\r\n\r\n> quoted", "<p>Hallö</p>", "Hallö")
    assert got["attachments"] == [
        {
            "file_name": "a.csv",
            "content_type": "text/csv",
            "size": 4,
            "disposition": "attachment",
            "content": "MSwyCg==",
        },
        {
            "file_name": "logo.png",
            "content_type": "image/png",
            "size": 4,
            "disposition": "inline",
            "content_id": "logo@x",
            "content": "iVBORw==",
        },
    ]


def test_json_tells_the_clear_from_tls_and_scores_as_text() -> None:
    """`tls` is a boolean, a spam score is a string, and no file is an empty array."""
    bare = facts(tls_version="", tls_cipher="", scan=ScanFacts("spam", "GTUBE", ("rspamd",), (), 14.25, ("GTUBE",)))
    plain = b"Subject: x\r\n\r\nhi\r\n"
    got = json.loads(cloudmailin.json(bare, content(plain), id="x")[1])
    assert got["envelope"]["tls"] is False
    assert got["envelope"]["tls_version"] is None
    assert got["envelope"]["spamd"] == {
        "score": "14.2",
        "success": True,
        "symbols": ["GTUBE"],
        "description": "GTUBE",
    }
    assert got["attachments"] == []


def test_a_stored_file_is_an_address_instead_of_content() -> None:
    """With a store the attachment has `url` and no `content`."""
    stored = Content((), "", "", "", (File("a.csv", "text/csv", "attachment", None, 4, url="https://s/1"),))
    got = json.loads(cloudmailin.json(facts(), stored, id="x")[1])
    assert got["attachments"] == [
        {"file_name": "a.csv", "content_type": "text/csv", "size": 4, "disposition": "attachment", "url": "https://s/1"}
    ]


def test_multipart_normalized_is_as_documented() -> None:
    """Bracketed names, repeated headers numbered, files as `attachments[]` parts with name and type."""
    kind, body = cloudmailin.multipart(facts(), content(), Counting(), id="rcv_1")
    found = fields(kind, body)
    names = [name for name, _ in found]
    assert names[:3] == ["plain", "html", "reply_plain"]
    for name in (
        "headers[received][0]",
        "headers[received][1]",
        "headers[subject]",
        "envelope[to]",
        "envelope[recipients][0]",
        "envelope[recipients][1]",
        "envelope[from]",
        "envelope[helo_domain]",
        "envelope[remote_ip]",
        "envelope[spf][result]",
        "envelope[spf][domain]",
    ):
        assert names.count(name) == 1
    assert "headers[received]" not in names
    values = {name: part.get_payload(decode=True) for name, part in found if name != "attachments[]"}
    assert values["headers[subject]"] == "Grüße".encode()
    assert values["envelope[tls]"] == b"true"
    files = [part for name, part in found if name == "attachments[]"]
    assert [(p.get_filename(), p.get_content_type()) for p in files] == [
        ("a.csv", "text/csv"),
        ("logo.png", "image/png"),
    ]
    assert files[0].get_payload(decode=True) == b"1,2\n"


def test_multipart_without_files_has_no_attachments_field() -> None:
    """As documented: no field at all. With a store, the described fields repeat."""
    kind, body = cloudmailin.multipart(facts(), content(b"Subject: x\r\n\r\nhi\r\n"), Counting(), id="x")
    assert not [name for name, _ in fields(kind, body) if name.startswith("attachments")]
    file = File("a", "text/csv", "attachment", None, 4, url="https://s/1")
    kind, body = cloudmailin.multipart(facts(), Content((), "", "", "", (file, file)), Counting(), id="x")
    names = [name for name, _ in fields(kind, body) if name.startswith("attachments")]
    assert names == [f"attachments[][{x}]" for x in ("file_name", "content_type", "size", "disposition", "url")] * 2


def test_raw_holds_the_message_octet_for_octet() -> None:
    """The raw form is `message`, unaltered, and the envelope."""
    odd = b"Subject: \xff\r\n\r\n------mailward\r\n\x00\xfe\r\n.\r\n"
    kind, body = cloudmailin.raw(facts(), content(odd), Counting(), id="x")
    boundary = kind.partition("boundary=")[2].encode()
    head, _, rest = body.partition(b"\r\n\r\n")
    assert head == b"--" + boundary + b'\r\nContent-Disposition: form-data; name="message"'
    assert rest.split(b"\r\n--" + boundary)[0] == odd
    assert b'name="envelope[to]"\r\n\r\nhelp@in.example.com\r\n' in rest


@pytest.mark.asvs("5.4.2")
def test_names_of_files_cannot_break_out_of_their_header() -> None:
    """Quotes and line breaks in a name are percent-encoded."""
    bad = File('a"\r\nX: y', "text/csv\r\nX: z", "attachment", None, 1, b"x")
    body = cloudmailin.multipart(facts(), Content((), "", "", "", (bad,)), Counting(), id="x")[1]
    assert b'filename="a%22%0D%0AX: y"\r\nContent-Type: text/csvX: z\r\n' in body


def test_our_json_has_verdicts_with_reasons() -> None:
    """Everything, with the TLS version, each reason, the defects and the digest of the octets."""
    given = facts(defects=("bare_newline",), took_us=12_500)
    body = own.json(given, content(), event="evt_1", id="rcv_1", route="rte_1", at=1_767_225_600_000_000)[1]
    got = json.loads(body)
    assert (got["type"], got["id"], got["timestamp"]) == ("message.received", "evt_1", "2026-01-01T00:00:00Z")
    data = got["data"]
    assert data["envelope"]["tls_version"] == "TLSv1.3"
    assert data["envelope"]["tls_cipher"] == "TLS_AES_256_GCM_SHA384"
    assert data["authentication"]["spf"]["reason"] == "192.0.2.1 is listed."
    assert data["authentication"]["dkim"][1] == {
        "result": "policy",
        "domain": "other.org",
        "selector": "s2",
        "algorithm": "",
        "reason": "l= is unsafe",
    }
    assert data["authentication"]["dmarc"]["policy"] == "reject"
    assert data["authentication"]["arc"] == {"result": "none", "sealers": [], "reason": ""}
    assert data["scan"]["engines"] == ["yara"]
    assert data["defects"] == ["bare_newline"]
    assert data["raw"]["sha256"] == hashlib.sha256(RAW).hexdigest()
    assert data["processing_ms"] == 12.5
    assert [h["value"] for h in data["headers"][:2]] == ["from a", "from b"]
    assert base64.b64decode(data["attachments"][0]["content"]) == b"1,2\n"


def test_facts_survive_their_row() -> None:
    """What is stored is what is read."""
    assert DECODER.decode(ENCODER.encode(facts())) == facts()


def test_hmac_signatures_satisfy_both_verifiers() -> None:
    """The published verifiers of Standard Webhooks and Svix accept a hand-over under either family, and old secrets."""
    import svix  # hundreds of modules, for one test

    at, body, new, old = int(time.time()), b'{"a": 1}', bytes(range(32)), bytes(range(1, 33))
    sent = dict(signing.headers([new, old], "evt_1", at, body))
    for secret in (new, old):
        assert standardwebhooks.Webhook(show_secret(secret)).verify(body, sent) == {"a": 1}
        for family in ("webhook", "svix"):
            only = {k: v for k, v in sent.items() if k.startswith(family)}
            svix.Webhook(show_secret(secret)).verify(body, only)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(show_secret(new)).verify(b'{"a": 2}', sent)
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook(show_secret(bytes(32))).verify(body, sent)


def test_ed25519_signatures_verify_with_the_public_key() -> None:
    """`v1a` is over the same octets, and `whpk_` is the public half of the secret."""
    seed, body = bytes(range(32)), b"{}"
    sent = dict(signing.headers([seed, bytes(32)], "evt_1", 1_767_225_600, body, ed25519=True))
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signing.public_key(seed).removeprefix("whpk_")))
    first, second = sent["webhook-signature"].split(" ")
    assert first.startswith("v1a,")
    assert second.startswith("v1a,")
    key.verify(base64.b64decode(first[4:]), b"evt_1.1767225600.{}")
    assert {k.split("-")[0] for k in sent} == {"webhook", "svix"}


def test_credentials_are_utf8() -> None:
    """RFC 7617 section 2.1."""
    assert signing.basic("ada", "p:ß") == "Basic " + base64.b64encode("ada:p:ß".encode()).decode()


def test_forged_results_go_and_every_other_octet_stays() -> None:
    """Our trace goes on top, the named fields go, the rest is as it came."""
    raw = b"A: 1\r\nAuthentication-Results: mx.us; spf=pass\r\n x\r\nB:\t2\r\n\r\nbody\r\n"
    assert without_forged(raw, b"T: 1\r\n", (1,)) == b"T: 1\r\nA: 1\r\nB:\t2\r\n\r\nbody\r\n"
    assert without_forged(raw, b"", ()) == raw
