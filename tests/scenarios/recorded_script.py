"""The recorded script: what a busy hour's clients ask of a platform, once for each thing that can be asked."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from tests.scenarios.platform import zone_lines
from tests.scenarios.recorded_access import access
from tests.scenarios.recorded_mail import ME, look, mail, settled, soon
from tests.scenarios.recorded_templates import templates
from tests.scenarios.recording import Recorder, nobody

# Operations refused to one key: thirty in twenty minutes raise an alert, a moment later on one store than on the other.
_PATIENCE = 20


def play(r: Recorder) -> None:
    """All of it, in order."""
    for part in (_public, _refusals, _sending, _batch, _raw, _later, _held, _suppressions, _tracking, _domains):
        part(r)
    for part in (_credentials, _webhooks, _workspace, _smtp_talk, _smtp_mail, _smtp_faults):
        part(r)
    # With a manager there is somebody to write to: letters that come when they come would be in the lists.
    for part in (_inbound, templates, _lists, _erasing, access, _audit):
        part(r)


# -- generated from the document ------------------------------------------------------------------


def _refusals(r: Recorder) -> None:
    """Every operation: nobody's credential, a scope that is too small, things that are not there, wrong parameters."""
    small = ""
    for n, (name, (_, _, operation)) in enumerate(sorted(r.operations.items())):
        if n % _PATIENCE == 0:
            small = _too_small(r)
        for wrong in _wrong(operation):
            r.call(name, **wrong)
        if operation.get("security") != []:
            nowhere = {p: nobody(p) for p in _parameters(operation, "path")}
            r.call(name, key="", note="no credential", path_of=nowhere)
            r.call(name, key="mw_nobody", note="bad credential", path_of=nowhere)
            if name not in ("sendMessage", "sendBatch", "sendRawMessage"):
                r.call(name, key=small, note="small scope", path_of=nowhere)


def _too_small(r: Recorder) -> str:
    """A key that may only send, once it is known."""
    key: str = r.call("createKey", {"name": "small", "scopes": ["send"]}, quiet=True)["secret"]
    r.until(lambda: "type" not in r.call("sendMessage", mail("warm", dry_run=True), key=key, quiet=True))
    return key


def _parameters(operation: dict[str, Any], where: str) -> list[str]:
    return [p["name"] for p in operation.get("parameters", []) if p.get("in") == where]


def _wrong(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    nowhere = {p: nobody(p) for p in _parameters(operation, "path")}
    query = _parameters(operation, "query")
    media = list(operation.get("requestBody", {}).get("content", {}))
    if nowhere:
        yield {"note": "not an id", "path_of": dict.fromkeys(nowhere, "nonsense")}
        yield {"note": "nobody's id", "path_of": nowhere}
    yield {"note": "unknown parameter", "query": {"unknown": 1}, "path_of": nowhere}
    for name in query:
        yield {"note": f"{name}=", "query": {name: ""}, "path_of": nowhere}
        yield {"note": f"{name}=-1", "query": {name: "-1"}, "path_of": nowhere}
    if "application/json" in media:
        for note, body in (
            ("no JSON", b"{"),
            ("a list", b"[]"),
            ("unknown field", b'{"unknown": 1}'),
            ("empty", b""),
            ("null", b"null"),
        ):
            yield {"note": note, "body": body, "path_of": nowhere}
        yield {"note": "wrong type", "body": b"{}", "media": "text/plain", "path_of": nowhere}
    elif media:
        yield {"note": "wrong type", "body": b"x", "media": "image/png", "path_of": nowhere}
        yield {"note": "empty", "body": b"", "media": media[0], "path_of": nowhere}


# -- messages -------------------------------------------------------------------------------------


def _public(r: Recorder) -> None:
    for name in ("getHealth", "getReadiness", "getSchema"):
        r.call(name, key="")
    problems = r.call("listProblems", key="")
    for code in _codes(problems):
        r.call("getProblem", key="", code=code)


def _codes(problems: Any) -> list[str]:
    listed = problems.get("data", []) if isinstance(problems, dict) else []
    return [str(p["code"]) for p in listed] or ["not_found", "domain_not_verified"]


def _sending(r: Recorder) -> None:
    rich = mail(
        "rich",
        to=[{"email": "a@example.com", "name": "Ä Ö"}, "b@example.com"],
        cc=["c@example.com"],
        bcc=["d@example.com"],
        reply_to=["e@example.com"],
        html="<p>text <b>rich</b></p>",
        headers={"X-Order": "4711"},
        attachments=[{"filename": "a.txt", "content": base64.b64encode(b"attached").decode()}],
        tags=["invoice", "two"],
        metadata={"customer": "42"},
    )
    once = {"Idempotency-Key": "order-4711"}
    first = r.call("sendMessage", rich, headers=once, note="rich")
    settled(r, first["id"])
    look(r, first["id"])
    r.call("sendMessage", rich, headers=once, note="again")
    r.call("sendMessage", mail("other"), headers=once, note="the key of another")
    r.call("sendMessage", mail("dry", dry_run=True), note="dry run")
    test = r.call("sendMessage", mail("test", test_mode=True), note="test mode")
    settled(r, test["id"])
    look(r, test["id"])
    for note, wrong in (
        ("no recipient", {"to": []}),
        ("bad address", {"to": ["not an address"]}),
        ("foreign sender", {"from": "x@elsewhere.example"}),
        ("no content", {"text": None}),
        ("header of ours", {"headers": {"Received": "x"}}),
        ("line break", {"subject": "a\r\nBcc: x@example.com"}),
        ("bad attachment", {"attachments": [{"filename": "a.txt", "content": "%%%"}]}),
        ("program", {"attachments": [{"filename": "a.exe", "content": "AAAA"}]}),
        ("past", {"scheduled_at": "2001-01-01T00:00:00Z"}),
        ("far future", {"scheduled_at": "2999-01-01T00:00:00Z"}),
        ("tags", {"tags": ["x" * 300]}),
    ):
        r.call("sendMessage", mail("wrong", **wrong), note=note)
    again = r.call("resendMessage", message=first["id"])
    settled(r, again["id"])
    look(r, again["id"])


def _batch(r: Recorder) -> None:
    some = [mail(f"batch-{n}") for n in range(5)]
    wrong = mail("wrong", to=["no"])
    keyed = {"Idempotency-Key": "batch-1"}
    answers = [
        r.call("sendBatch", {"messages": some}, note="five"),
        r.call("sendBatch", {"messages": [*some, wrong]}, note="one wrong"),
        r.call("sendBatch", {"messages": [*some, wrong], "atomic": True}, note="one wrong, atomic"),
        r.call("sendBatch", {"messages": []}, note="none"),
        r.call("sendBatch", {"messages": some}, headers=keyed, note="keyed"),
        r.call("sendBatch", {"messages": some}, headers=keyed, note="keyed again"),
    ]
    accepted = [e["accepted"]["id"] for a in answers for e in a.get("results", []) if e.get("accepted")]
    for message in dict.fromkeys(accepted):
        settled(r, message)
        # Accepted in one millisecond, they stand in lists in an order of chance.
        r.call("eraseMessage", message=message, quiet=True)


RAW = f"From: {ME}\r\nTo: raw@example.com\r\nSubject: raw\r\nMIME-Version: 1.0\r\n\r\nraw text\r\n".encode()


def _raw(r: Recorder) -> None:
    encoded = base64.b64encode(RAW).decode()
    sent = r.call("sendRawMessage", {"raw": encoded, "from": ME, "to": ["raw@example.com"]}, note="JSON")
    settled(r, sent["id"])
    look(r, sent["id"])
    envelope = {"Envelope-From": ME, "Envelope-To": "raw@example.com"}
    sent = r.call("sendRawMessage", RAW, media="message/rfc822", headers=envelope, note="as it is")
    settled(r, sent["id"])
    look(r, sent["id"])
    r.call("sendRawMessage", RAW, media="message/rfc822", note="no envelope")
    r.call("sendRawMessage", b"no header", media="message/rfc822", headers=envelope, note="no header")


def _later(r: Recorder) -> None:
    later = r.call("sendMessage", mail("later", scheduled_at=soon()), note="scheduled")
    look(r, later["id"])
    r.call("rescheduleMessage", {"scheduled_at": soon(2)}, message=later["id"])
    r.call("rescheduleMessage", {"scheduled_at": "2999-01-01T00:00:00Z"}, message=later["id"], note="far future")
    r.call("cancelMessage", message=later["id"])
    r.call("cancelMessage", message=later["id"], note="again")
    r.call("rescheduleMessage", {"scheduled_at": soon()}, message=later["id"], note="cancelled")
    look(r, later["id"])


def _held(r: Recorder) -> None:
    r.call("getSending")
    r.call("pauseSending", {"reason": "incident"})
    r.call("pauseSending", {"reason": "incident"}, note="again")
    r.call("pauseSending", {"stream": "broadcast", "reason": "one stream"}, note="a stream")
    r.call("getSending", note="paused")
    r.until(lambda: r.call("sendMessage", mail("probe"), quiet=True)["status"] == "held")
    held = [r.call("sendMessage", mail(f"held-{n}"), note="while paused") for n in range(3)]
    for message in held:
        look(r, message["id"])
    r.call("releaseMessage", message=held[0]["id"])
    r.call("releaseMessage", message=held[0]["id"], note="again")
    r.call("cancelMessage", message=held[1]["id"], note="held")
    r.call("resumeSending", {})
    r.call("resumeSending", {}, note="again")
    r.call("resumeSending", {"stream": "broadcast"}, note="a stream")
    r.call("getSending", note="resumed")
    r.call("releaseHeldMessages", {}, quiet=True)
    for message in held:
        settled(r, message["id"])
        look(r, message["id"])
    r.until(lambda: r.call("releaseHeldMessages", {}, quiet=True).get("released", 0) == 0)
    r.call("releaseHeldMessages", {}, note="none left")
    r.until(lambda: r.call("sendMessage", mail("probe"), quiet=True)["status"] != "held")


def _suppressions(r: Recorder) -> None:
    add: Callable[..., Any] = lambda body, note="": r.call("addSuppression", body, note=note)  # noqa: E731
    add({"address": "No@Example.com"})
    add({"address": "no@example.com"}, "again")
    add({"address": "one@example.com", "reason": "unsubscribed", "stream": "broadcast"}, "a stream")
    add({"address": "nonsense"}, "no address")
    r.call("checkSuppression", {"address": "no@example.com"})
    r.call("checkSuppression", {"address": "free@example.com"}, note="free")
    r.call("listSuppressions")
    for query in (
        {"search": "ONE"},
        {"reason": "unsubscribed"},
        {"stream": "broadcast"},
        {"address": "no@example.com"},
    ):
        r.call("listSuppressions", query=query, note=str(query))
    r.call("importSuppressions", b"address,reason\nx@example.com,manual\nbad,manual\n", media="text/csv")
    r.call("exportSuppressions")
    sent = r.call("sendMessage", mail("to-no", to=["no@example.com"]), note="to a suppressed address")
    if "id" in sent:
        look(r, sent["id"])
    both = r.call("sendMessage", mail("to-both", to=["no@example.com", "yes@example.com"]), note="to one of two")
    settled(r, both["id"])
    look(r, both["id"])
    r.smtp("to a suppressed address", "EHLO a.test", r.login(), f"MAIL FROM:<{ME}>", "RCPT TO:<no@example.com>", "QUIT")
    r.call("removeSuppression", query={"address": "no@example.com"})
    r.call("removeSuppression", query={"address": "no@example.com"}, note="again")


def _tracking(r: Recorder) -> None:
    r.call("getTracking")
    r.call("changeTracking", {"workspace": "both", "streams": {"transactional": "off"}})
    r.call("changeTracking", {"domains": {"dom_01jd2s8k3xq4v6w8y0z1a2b3c4": "off"}}, note="no such domain")
    page = '<a href="https://example.com/x">x</a>'
    sent = r.call("sendMessage", mail("tracked", html=page, tracking="clicks"), note="tracked")
    settled(r, sent["id"])
    look(r, sent["id"])
    r.call("sendMessage", mail("tracked-how", tracking="perhaps"), note="tracked somehow")
    r.call("changeTracking", {"workspace": None, "streams": {"transactional": None}}, note="nothing any more")
    quiet = {"address": "Quiet@example.com"}
    r.call("checkTrackingOptOut", quiet, note="not yet")
    r.call("addTrackingOptOut", quiet)
    r.call("addTrackingOptOut", {"address": "nonsense"}, note="no address")
    r.call("checkTrackingOptOut", {"address": "quiet@example.com"}, note="in small letters")
    r.call("removeTrackingOptOut", query=quiet)
    r.call("removeTrackingOptOut", query=quiet, note="again")


# -- domains, credentials, webhooks ---------------------------------------------------------------


def _domains(r: Recorder) -> None:
    domain = r.call("addDomain", {"name": "Shop.Example"})
    r.call("addDomain", {"name": "shop.example"}, note="again")
    r.call("addDomain", {"name": "not a domain"}, note="no domain")
    other = r.call("addDomain", {"name": "wide.example", "subdomains": True}, note="with subdomains")
    r.call("listDomains")
    r.call("listDomains", query={"limit": 1}, note="one")
    r.call("getDomain", domain=domain["id"])
    r.call("checkDomain", domain=domain["id"], note="not published")
    r.call("sendMessage", mail("unverified", **{"from": "x@shop.example"}), note="from an unverified domain")
    r.call("rotateDomainKeys", domain=domain["id"], note="not verified")
    r.dns.publish(zone_lines(domain["records"]))
    r.until(lambda: r.call("checkDomain", domain=domain["id"], quiet=True)["status"] == "verified")
    r.call("getDomain", domain=domain["id"], note="verified")
    r.call("rotateDomainKeys", domain=domain["id"])
    r.call("rotateDomainKeys", domain=domain["id"], note="again")
    sent = r.call("sendMessage", mail("verified", **{"from": "x@shop.example"}), note="from a verified domain")
    settled(r, sent["id"])
    look(r, sent["id"])
    r.call("removeDomain", domain=other["id"])
    r.call("getDomain", domain=other["id"], note="removed")


def _credentials(r: Recorder) -> None:
    key = r.call("createKey", {"name": "sender", "scopes": ["send", "read"]})
    r.call("createKey", {"name": "narrow", "scopes": ["send"], "networks": ["192.0.2.0/24"]}, note="network")
    r.call("createKey", {"name": "past", "scopes": ["send"], "expires_at": "2001-01-01T00:00:00Z"}, note="past")
    r.call("createKey", {"name": "none", "scopes": []}, note="no scope")
    r.call("listKeys")
    r.until(lambda: "data" in r.call("listMessages", key=key["secret"], quiet=True))
    r.call("getWorkspace", key=key["secret"], note="with it")
    r.call("createKey", {"name": "more", "scopes": ["admin"]}, key=key["secret"], note="with it")
    _rotation(r, "rotateKey", "revokeKey", "releaseKey", "key", key["id"] if "id" in key else key["key"]["id"])
    made = r.call("createSmtpCredential", {"name": "printer"})
    r.call("createSmtpCredential", {"name": "", "networks": ["nonsense"]}, note="wrong")
    r.call("listSmtpCredentials")
    assert "code" not in made, made
    id = made["id"] if "id" in made else made["credential"]["id"]
    _rotation(r, "rotateSmtpCredential", "revokeSmtpCredential", "releaseSmtpCredential", "credential", id)


def _rotation(r: Recorder, rotate: str, revoke: str, release: str, parameter: str, id: str) -> None:
    path = {parameter: id}
    r.call(release, path_of=path, note="not paused")
    r.call(rotate, {"grace_hours": 1}, path_of=path)
    r.call(rotate, {"grace_hours": 1}, path_of=path, note="again")
    r.call(revoke, path_of=path)
    r.call(revoke, path_of=path, note="again")
    r.call(rotate, {}, path_of=path, note="revoked")


def _webhooks(r: Recorder) -> None:
    hook = r.call("createWebhook", {"url": r.endpoint, "events": ["message.cancelled"]})["id"]
    r.call("createWebhook", {"url": "http://10.0.0.1/"}, note="private")
    r.call("createWebhook", {"url": "ftp://example.com"}, note="no URL")
    r.call("listWebhooks")
    r.call("getWebhook", webhook=hook)

    def told(events: int) -> None:
        def all_told() -> bool:
            found = r.call("listWebhookEvents", webhook=hook, quiet=True)["data"]
            return len(found) == events and all(e["state"] == "delivered" for e in found)

        r.until(all_told)

    r.call("testWebhook", webhook=hook)
    told(1)
    later = r.call("sendMessage", mail("told", scheduled_at=soon()), note="to be cancelled")
    r.call("cancelMessage", message=later["id"], note="and told")
    told(2)
    events = r.call("listWebhookEvents", webhook=hook)["data"]
    r.call("listWebhookEvents", webhook=hook, query={"limit": 1}, note="one")
    r.call("listWebhookEvents", webhook=hook, query={"state": "failed"}, note="failed")
    r.call("listWebhookAttempts", webhook=hook)
    for event in events:
        r.call("getWebhookEvent", webhook=hook, event=event["id"])
        r.call("listWebhookAttempts", webhook=hook, query={"event": event["id"]}, note="of one")
    r.call("replayWebhookEvents", {"event": events[0]["id"]}, webhook=hook, note="one")
    told(2)
    replay = r.call("replayWebhookEvents", {"since": soon(-1), "only": "all"}, webhook=hook)
    if "id" in replay:
        r.until(lambda: r.call("getWebhookReplay", webhook=hook, replay=replay["id"], quiet=True).get("finished", True))
        r.call("getWebhookReplay", webhook=hook, replay=replay["id"])
    told(2)
    r.call("listWebhookReplays", webhook=hook)
    r.call("changeWebhook", {"url": "nonsense"}, webhook=hook, note="no URL")
    r.call("changeWebhook", {"enabled": False, "description": "off"}, webhook=hook)
    r.call("testWebhook", webhook=hook, note="disabled")
    r.call("replayWebhookEvents", {"only": "failed"}, webhook=hook, note="disabled")
    r.call("changeWebhook", {"enabled": True}, webhook=hook, note="on")
    r.call("rotateWebhookSecret", webhook=hook)
    r.call("removeWebhook", webhook=hook)
    r.call("getWebhook", webhook=hook, note="removed")


def _workspace(r: Recorder) -> None:
    r.call("getWorkspace")
    r.call("getRetention")
    r.call("changeRetention", {"messages_days": 30, "content_days": 7})
    r.call("changeRetention", {"messages_days": 3, "content_days": 7}, note="content longer")
    r.call("changeRetention", {"messages_days": 0}, note="no days")
    r.call("getRetention", note="changed")
    r.call("getRedaction")
    r.call("changeRedaction", {"subject": {"mode": "redact", "after_hours": 24}})
    r.call("changeRedaction", {"body": {"mode": "never", "after_hours": 1}}, note="hours without redact")
    r.call("getRedaction", note="changed")


# -- SMTP -----------------------------------------------------------------------------------------


def _smtp_talk(r: Recorder) -> None:
    r.smtp("greetings", "HELO a.test", "EHLO a.test", "EHLO", "EHLO a b", "NOOP", "RSET", "HELP", "QUIT", tls=False)
    r.smtp("before TLS", "MAIL FROM:<a@b.c>", "EHLO a.test", r.login(), "MAIL FROM:<a@b.c>", "QUIT", tls=False)
    r.smtp("order", "MAIL FROM:<a@b.c>", "EHLO a.test", "MAIL FROM:<a@b.c>", "RCPT TO:<a@b.c>", "DATA", "QUIT")
    r.smtp(
        "unknown", "EHLO a.test", "WHAT", "VRFY a", "EXPN a", "NOOP x", "RSET x", "DATA x", "STARTTLS", "QUIT x", "QUIT"
    )
    r.smtp("octets", b"NO\0OP\r\n", b"NOOP\n", tls=False)
    r.smtp("a long line", b"NOOP " + b"x" * 5000 + b"\r\n", tls=False)
    r.smtp("a web browser", "GET / HTTP/1.1", tls=False)
    wrong = base64.b64encode(b"\0smtp_nobody\0wrong").decode()
    r.smtp(
        "AUTH", "EHLO a.test", "AUTH", "AUTH CRAM-MD5", "AUTH PLAIN %", "AUTH PLAIN", "*", f"AUTH PLAIN {wrong}", "QUIT"
    )
    r.smtp("AUTH LOGIN", "EHLO a.test", "AUTH LOGIN", "*", "AUTH LOGIN", "eA==", "eA==", "QUIT")
    r.smtp("a long response", "EHLO a.test", "AUTH PLAIN", "A" * 13_000, "QUIT")
    r.smtp("logged in", "EHLO a.test", r.login(), r.login(), "STARTTLS", "QUIT")
    r.smtp("implicit TLS", "EHLO a.test", "STARTTLS", r.login(), "QUIT", door="implicit")
    r.smtp("no STARTTLS there", "EHLO a.test", "AUTH PLAIN eA==", "STARTTLS", "QUIT", door="private")
    r.smtp("no AUTH there", "EHLO a.test", "AUTH PLAIN eA==", "QUIT", door="mx")
    r.smtp("too many errors", *["WHAT"] * 22, tls=False)
    r.smtp("too many commands", *["NOOP"] * 105, tls=False)


def _smtp_mail(r: Recorder) -> None:
    open_ = ("EHLO a.test", r.login(), f"MAIL FROM:<{ME}>")
    content = RAW.replace(b"Subject: raw", b"Subject: by-smtp")
    r.smtp("a message", *open_, "RCPT TO:<s@example.com>", "DATA", content + b".\r\n", "QUIT")
    r.smtp(
        "in chunks",
        *open_,
        "RCPT TO:<s@example.com>",
        b"BDAT %d\r\n" % len(content) + content,
        "RCPT TO:<x@example.com>",
        "BDAT 0 LAST",
        "QUIT",
    )
    r.smtp("chunks begun", *open_, "RCPT TO:<s@example.com>", b"BDAT 4\r\nabcd", "DATA", "RSET", "QUIT")
    r.smtp(
        "from a network",
        "EHLO a.test",
        f"MAIL FROM:<{ME}>",
        "RCPT TO:<s@example.com>",
        "DATA",
        content + b".\r\n",
        "QUIT",
        door="private",
    )
    r.smtp(
        "one after the other",
        *open_,
        "RCPT TO:<s@example.com>",
        "DATA",
        content + b".\r\n",
        f"MAIL FROM:<{ME}>",
        "RSET",
        "QUIT",
    )
    dsn = f"MAIL FROM:<{ME}> RET=HDRS ENVID=QQ314159 BODY=8BITMIME SIZE=1000"
    r.smtp(
        "DSN",
        *open_[:2],
        dsn,
        "RCPT TO:<s@example.com> NOTIFY=FAILURE ORCPT=rfc822;s@example.com",
        "DATA",
        content + b".\r\n",
        "QUIT",
    )
    r.until(lambda: len(r.call("listMessages", query={"subject": "by-smtp"}, quiet=True).get("data", [])) >= 5)
    for message in r.call("listMessages", query={"subject": "by-smtp"}, quiet=True)["data"]:
        settled(r, message["id"])


def _smtp_faults(r: Recorder) -> None:
    known = ("EHLO a.test", r.login())
    r.smtp(
        "sender syntax",
        *known,
        "MAIL",
        "MAIL TO:<a@b.c>",
        "MAIL FROM:",
        "MAIL FROM:<a b@c>",
        "MAIL FROM:<a@b.c",
        "MAIL FROM:<@a.example:b@c.example>",
        "MAIL FROM:<ä@example.com>",
        "MAIL FROM:<a@[127.0.0.1]>",
        "MAIL FROM:<a%b@c.example>",
        f"MAIL FROM:<{'x' * 300}@example.com>",
        "QUIT",
    )
    r.smtp(
        "parameters",
        *known,
        f"MAIL FROM:<{ME}> WHAT=1",
        f"MAIL FROM:<{ME}> SIZE=x",
        f"MAIL FROM:<{ME}> SIZE=999999999999",
        f"MAIL FROM:<{ME}> BODY=BINARYMIME",
        f"MAIL FROM:<{ME}> BODY=9BIT",
        f"MAIL FROM:<{ME}> RET=ALL RET=ALL",
        "QUIT",
    )
    sender = f"MAIL FROM:<{ME}>"
    r.smtp(
        "recipient syntax",
        *known,
        sender,
        sender,
        "RCPT",
        "RCPT FROM:<a@b.c>",
        "RCPT TO:",
        "RCPT TO:<>",
        "RCPT TO:<a b@c>",
        "RCPT TO:<@a.example:b@c.example>",
        "RCPT TO:<ä@example.com>",
        "RCPT TO:<a%b@c.example>",
        "RCPT TO:<a@[127.0.0.1]>",
        f"RCPT TO:<{'x' * 300}@example.com>",
        "RCPT TO:<a@example.com> WHAT=1",
        "AUTH PLAIN eA==",
        "DATA",
        "QUIT",
    )
    many = [f"RCPT TO:<r{n}@example.com>" for n in range(102)]
    r.smtp("too many recipients", *known, sender, *many, "QUIT")
    r.smtp("foreign sender", *known, "MAIL FROM:<x@elsewhere.example>", "QUIT")
    r.smtp("no sender", *known, "RCPT TO:<a@example.com>", "QUIT")
    r.smtp("null sender", *known, "MAIL FROM:<>", "QUIT")
    head = f"From: {ME}\r\nTo: s@example.com\r\n".encode()
    for name, content in (
        ("two From", b"From: a@b.c\r\n" + head + b"\r\nx\r\n.\r\n"),
        ("no From", b"To: s@example.com\r\n\r\nx\r\n.\r\n"),
        ("foreign From", b"From: x@elsewhere.example\r\n\r\nx\r\n.\r\n"),
        ("a loop", b"Received: from a by b\r\n" * 120 + head + b"\r\nx\r\n.\r\n"),
        ("a bare line feed", head + b"\r\nx\ny\r\n.\r\n"),
        ("a program", head + _program()),
        ("too large", head + b"\r\n" + b"x" * 70 + (b"x" * 70 + b"\r\n") * 16_000 + b".\r\n"),
        ("far too large", head + b"\r\n" + (b"x" * 70 + b"\r\n") * 140_000 + b".\r\n"),
        ("large fields", head + b"X: " + b"y" * 900 + b"\r\n" + b"Z: zzzzzzzzzz\r\n" * 40_000 + b"\r\nx\r\n.\r\n"),
    ):
        r.smtp(name, *known, sender, "RCPT TO:<s@example.com>", "DATA", content, "QUIT")
    r.smtp("bad chunk", *known, sender, "RCPT TO:<s@example.com>", "BDAT x", "QUIT")


def _program() -> bytes:
    return (
        b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=a.exe\r\n"
        b"Content-Disposition: attachment; filename=a.exe\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n.\r\n"
    )


# -- received mail --------------------------------------------------------------------------------

# Published by its makers so that a scanner can be tried without harm (in two parts, lest a scanner finds it here).
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD" + b"-ANTIVIRUS-TEST-FILE!$H+H*"


def _inbound(r: Recorder) -> None:
    route = r.call("createRoute", {"domain": "shop.example", "url": r.endpoint})
    r.call("createRoute", {"domain": "elsewhere.example", "url": r.endpoint}, note="another's domain")
    r.call("createRoute", {"domain": "shop.example", "url": "http://10.0.0.1/x"}, note="private")
    r.call("listRoutes")
    r.call("getRoute", route=route["id"])
    r.call("changeRoute", {"description": "all of it"}, route=route["id"])
    r.call("rotateRouteSecret", route=route["id"])

    def wanted() -> bool:
        mark = len(r.record)
        r.smtp("probe", "EHLO a.test", "MAIL FROM:<w@world.example>", "RCPT TO:<sales@shop.example>", door="mx")
        reply = r.record.pop()[1][-1]
        assert len(r.record) == mark
        return str(reply).startswith("250")

    r.until(wanted)
    plain = b"From: w@world.example\r\nTo: sales@shop.example\r\nSubject: in\r\nMessage-ID: <1@a.test>\r\n\r\nhello\r\n"
    ill = plain.replace(b"Subject: in", b"Subject: ill").replace(b"hello", EICAR)
    open_ = ("EHLO a.test", "MAIL FROM:<w@world.example>", "RCPT TO:<sales@shop.example>", "DATA")
    r.smtp("to a route", *open_, plain + b".\r\n", "QUIT", door="mx")
    r.smtp("to nobody", *open_[:2], "RCPT TO:<x@elsewhere.example>", "DATA", "QUIT", door="mx")
    for _ in range(2):
        r.smtp("malware to a route", *open_, ill + b".\r\n", "QUIT", door="mx")
    r.until(lambda: len(r.call("listReceived", query={"state": "quarantined"}, quiet=True)["data"]) == 2)
    r.until(lambda: len(r.call("listReceived", query={"state": "handed_over"}, quiet=True)["data"]) == 1)
    found = r.call("listReceived")["data"]
    for message in found:
        for name in ("getReceived", "listReceivedAttempts", "getReceivedRaw"):
            r.call(name, message=message["id"])
    good = next(m["id"] for m in found if m["subject"] == "in")
    bad, worse = (m["id"] for m in found if m["subject"] != "in")
    r.call("releaseReceived", message=good, note="not held")
    r.call("releaseReceived", message=bad)
    r.call("discardReceived", message=worse)
    r.call("replayReceived", {}, message=good)
    r.until(lambda: len(r.call("listReceived", query={"state": "handed_over"}, quiet=True)["data"]) == 2)
    replay = r.call("replayRoute", {"since": soon(-1), "only": "all"}, route=route["id"])
    r.until(lambda: r.call("getRouteReplay", route=route["id"], replay=replay["id"], quiet=True).get("finished", True))
    r.call("getRouteReplay", route=route["id"], replay=replay["id"])
    r.call("eraseReceived", message=good)
    r.call("getReceived", message=good, note="erased")
    r.call("removeRoute", route=route["id"])
    r.call("getRoute", route=route["id"], note="removed")


# -- at the end -----------------------------------------------------------------------------------


def _lists(r: Recorder) -> None:
    r.call("listMessages")
    page = r.call("listMessages", query={"limit": 3}, note="three")
    while page.get("next_cursor") or page.get("cursor"):
        page = r.call(
            "listMessages", query={"limit": 20, "cursor": page.get("next_cursor") or page["cursor"]}, note="on"
        )
    for query in (
        {"status": "delivered"},
        {"status": "held"},
        {"tag": "invoice"},
        {"to": "a@example.com"},
        {"from": ME, "limit": 2},
        {"stream": "transactional", "limit": 2},
        {"since": "2020-01-01T00:00:00Z", "limit": 2},
        {"until": "2020-01-01T00:00:00Z"},
    ):
        r.call("listMessages", query=query, note=str(query))
    r.until(lambda: r.call("listMessages", query={"subject": "rich"}, quiet=True)["data"])
    r.call("listMessages", query={"subject": "rich"}, note="by subject")
    r.call("getUsage")
    r.call("getUsage", query={"days": 1}, note="a day")
    r.call("listEvents", query={"limit": 100})
    r.call("listEvents", query={"type": "message.cancelled"}, note="of a type")


def _erasing(r: Recorder) -> None:
    sent = r.call("sendMessage", mail("erased"), note="to be erased")
    settled(r, sent["id"])
    r.call("eraseMessage", message=sent["id"])
    r.call("eraseMessage", message=sent["id"], note="again")
    look(r, sent["id"])
    later = r.call("sendMessage", mail("open", scheduled_at=soon()), note="still open")
    r.call("eraseMessage", message=later["id"], note="open")


def _audit(r: Recorder) -> None:
    newest = r.call("listAuditEntries", query={"limit": 100})["data"][0]["index"]
    r.call("listAuditEntries", query={"act": "key.created"}, note="of an act")
    r.until(lambda: r.call("getAuditCheckpoint", quiet=True).get("size", 0) > newest)
    r.call("getAuditCheckpoint")
    r.call("getAuditProof", query={"index": 0, "size": 1})
    r.call("exportAudit")
