"""Copies of tracked mail: one for each recipient, none for who opted out, and never a message that stays behind."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mailward.app.candidate import Candidate
from mailward.app.knowledge import KnownDomain
from mailward.app.tracking.forms import Forms
from mailward.app.tracking.places import Places, tracked
from mailward.core.delivery.model import Copy, Work
from mailward.core.domains.model import DomainState, SendingDomain
from mailward.core.messages.model import MessageFacts, Tracked
from mailward.core.tracking.model import Modes, domain_scope, of_scopes
from mailward.policy.tracking import Mode
from mailward.protocol.tracking import tokens

BASE = "https://mw-link.a.example"
KEYS = tokens.Keys(b"g" * 32, b"k" * 32)
PLAIN = b"From: a@a.example\r\nSubject: s\r\n\r\nNo links here.\r\n"
HTML = (
    b"From: a@a.example\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
    b'<p><a href="https://x.example/1">x</a><a href="https://mw-link.a.example/opt-out">no</a></p>\r\n'
)
LONG = HTML.replace(b"https://x.example/1", b"https://x.example/" + b"y" * 800)


def work(tracking: Tracked, copies: int = 3) -> Work:
    """A message to that many recipients."""
    facts = MessageFacts("api", "key_1", "a.example", "a@a.example", "a@a.example", "", "s", "<1@a>", 1,
                         tracking=tracking)  # fmt: skip
    people = [Copy(n, f"r{n}@b.example", 0, None) for n in range(copies)]
    return Work(bytes(16), bytes(range(16)), 0, facts, people, 0)


async def made(tracking: Tracked, content: bytes, out: frozenset[int] = frozenset()) -> list[Any]:
    """The forms, and no fault of ours on the way."""
    errors: list[BaseException] = []

    async def opted_out(w: Work) -> set[int]:
        return set(out)

    forms = list(await Forms(opted_out, lambda workspace: KEYS, errors.append)(work(tracking), content))
    assert not errors
    return forms


@pytest.mark.parametrize("more", [0, 8_000])
async def test_each_recipient_has_links_of_his_own(more: int) -> None:
    """Three copies, each with tokens that name it; taken apart, they lead where the links led, in large mail too."""
    forms = await made(Tracked("both", BASE), HTML + b"It goes on after that.\r\n" * more)
    assert [[c.n for c in f.copies] for f in forms] == [[0], [1], [2]]
    assert {f.notes for f in forms} == {("tracked: 1 link and the image",)}
    for n, form in enumerate(forms):
        (token,) = re.findall(rb'"https://mw-link\.a\.example/c/([^"]+)"', form.content)
        claim = tokens.claimed(tokens.Kind.CLICK, token.decode(), "mw-link.a.example", KEYS.gate)
        assert claim is not None
        link = tokens.verified(claim, "mw-link.a.example", KEYS.own)
        assert link == tokens.Link(tokens.Kind.CLICK, bytes(range(16)), n, "https://x.example/1")
        assert form.content.count(b"/o/") == form.content.count(b"/p/") == 1


async def test_who_opted_out_gets_what_was_handed_in() -> None:
    """But for the address of the way out, which leads to the recipient's own page."""
    forms = await made(Tracked("both", BASE), HTML, frozenset({1}))
    assert forms[1].notes == ("not tracked: the recipient opted out",)
    back = re.sub(rb'"https://mw-link\.a\.example/p/[^"]+"', b'"https://mw-link.a.example/opt-out"', forms[1].content)
    assert back == HTML and b"/c/" in forms[0].content


@pytest.mark.parametrize(
    ("tracking", "content", "why"),
    [
        (Tracked("both", "", "the record was not found"), HTML, "not tracked: the record was not found"),
        (Tracked("both", BASE), PLAIN, "not tracked: it has no HTML that can be rewritten"),
        (Tracked("clicks", BASE), LONG.replace(b"/opt-out", b"/other"), "not tracked: it has no links"),
    ],
)
async def test_what_cannot_be_tracked_is_sent_and_says_why(tracking: Tracked, content: bytes, why: str) -> None:
    """The content is the one that was handed in, and the reason stands in the attempt."""
    forms = await made(tracking, content)
    assert {f.content for f in forms} == {content} and {f.notes for f in forms} == {(why,)}
    assert sorted(c.n for f in forms for c in f.copies) == [0, 1, 2]


async def test_a_fault_of_ours_keeps_no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message leaves as it came, and the fault is reported."""
    errors: list[BaseException] = []

    async def opted_out(w: Work) -> set[int]:
        return set()

    for name in ("Survey", "links"):
        with monkeypatch.context() as patch:
            patch.setattr(f"mailward.app.tracking.forms.{name}", None)
            forms = list(await Forms(opted_out, lambda _: KEYS, errors.append)(work(Tracked("both", BASE)), HTML))
        assert {f.content for f in forms} == {HTML}
        assert sorted(c.n for f in forms for c in f.copies) == [0, 1, 2]
    assert len(errors) == 4


def candidate(**more: Any) -> Candidate:
    """Whatever is tracked of it."""
    given: dict[str, Any] = {
        "content": b"", "mail_from": "", "recipients": [], "header_from": "", "from_domain": "", "domains": (),
        "to": "", "subject": "", "message_id": "", "source": "api",
    }  # fmt: skip
    return Candidate(**given | more)


def test_the_narrowest_that_says_something_counts() -> None:
    """Message, stream, domain, workspace; and off where nobody says anything."""
    domain = SendingDomain(b"1" * 16, "a.example", DomainState.VERIFIED, False, "", (), tracking="mw-link.a.example")
    scopes = {"": Mode.OPENS, domain_scope(b"1" * 16): Mode.CLICKS, "s:broadcast": Mode.OFF}

    def known(rows: dict[str, Mode] | None) -> KnownDomain:
        modes: dict[bytes, Modes] = {b"w": of_scopes(rows)} if rows is not None else {}
        places = Places(
            "mw-link", "mail.host.example", "https://mail.host.example", frozenset({domain.tracking}), modes
        )
        return KnownDomain(domain.id, domain.name, False, False, "", **places.of(b"w", domain))

    assert tracked(known(scopes), candidate()) == Tracked("clicks", BASE)
    assert tracked(known(scopes), candidate(stream="broadcast")) is None
    assert tracked(known(scopes), candidate(stream="broadcast", tracking="both")) == Tracked("both", BASE)
    assert tracked(known(scopes), candidate(tracking="off")) is None
    assert tracked(known({"": Mode.OPENS}), candidate()) == Tracked("opens", BASE)
    assert tracked(known(None), candidate()) is None


@pytest.mark.parametrize(
    ("web_host", "url", "covered", "host", "missing"),
    [
        ("", "https://mail.host.example", None, "mw-link.a.example", "no public name"),
        ("mail.host.example", "https://mail.host.example", None, "", "was not found yet"),
        ("mail.host.example", "http://mail.host.example", None, "mw-link.a.example", "need HTTPS"),
        ("mail.host.example", "https://mail.host.example", frozenset({"x.example"}), "mw-link.a.example", "no cert"),
        ("mail.host.example", "https://mail.host.example", frozenset({"*.a.example"}), "mw-link.a.example", ""),
        ("mail.host.example", "https://mail.host.example:8443", None, "mw-link.a.example", ""),
    ],
)  # fmt: skip
def test_nothing_is_tracked_before_its_host_is_ready(
    web_host: str, url: str, covered: frozenset[str] | None, host: str, missing: str
) -> None:
    """Without a name, record, HTTPS or certificate there is a reason in the place of an address."""
    base, why = Places("mw-link", web_host, url, covered, {}).base("a.example", host, capture=False)
    assert (bool(base), missing in why, bool(why)) == (not missing, True, bool(missing))
    if base:
        assert base.startswith("https://mw-link.a.example") and base.endswith(":8443") == url.endswith(":8443")
