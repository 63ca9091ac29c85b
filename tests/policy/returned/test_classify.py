"""The classifier's rules beyond single samples: what is read from a report, and what hostile input cannot do."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mailward.policy.returned import Kind, classify
from mailward.policy.returned.languages import TEXTS as FOREIGN
from mailward.policy.returned.meanings import TEXTS
from mailward.policy.returned.model import CAUSES
from mailward.policy.returned.wording import normal
from mailward.protocol.reports.dsn import address
from tests.spent import within

SAMPLES = Path(__file__).parent / "samples"


def sample(name: str) -> bytes:
    (path,) = SAMPLES.glob(f"{name}.*.eml")
    return path.read_bytes()


def test_a_report_names_recipient_and_original() -> None:
    """Final and original recipient, the original's Message-ID and envelope sender, and the server's words."""
    verdict = classify(sample("postfix-unknown"))
    (recipient,) = verdict.recipients
    assert (recipient.address, recipient.original) == ("bob@customer.example", "bob@customer.example")
    assert verdict.message_id == "<abc.123@mail.example>"
    assert verdict.return_path == "b+x@bounce.mail.example"
    assert "Recipient address rejected" in verdict.text
    assert verdict.sentence == "The mailbox does not exist."
    assert verdict.rule == "text no_mailbox: recipient address rejected: user"


def test_a_complaint_names_recipient_and_feedback_id() -> None:
    """A feedback report: who complained, about which message."""
    verdict = classify(sample("arf-abuse"))
    assert [r.address for r in verdict.recipients] == ["bob@customer.example"]
    assert (verdict.message_id, verdict.feedback_id) == ("<abc.123@mail.example>", "1:2:3:mail")
    assert verdict.return_path == "b+x@bounce.mail.example"


def test_a_report_over_several_is_hard_only_when_every_one_is() -> None:
    """Each recipient keeps its own verdict; the report's is the most harmless."""
    mixed = classify(sample("two-recipients"))
    assert [r.kind for r in mixed.recipients] == [Kind.FULL, Kind.HARD]
    assert mixed.kind is Kind.FULL
    assert classify(sample("two-recipients-dead")).kind is Kind.HARD


def test_what_comes_back_is_not_read_for_reasons() -> None:
    """The original's text, which the sender wrote, decides nothing."""
    bounce = sample("qmail-full")
    assert b"User unknown" in bounce
    assert classify(bounce).kind is Kind.FULL


def test_an_address_is_no_word() -> None:
    """People called unknown, spam or full are none of that."""
    bounce = sample("postfix-unknown").replace(b"bob@", b"spam.full.virus@")
    assert classify(bounce).cause == "no_mailbox"


def test_a_person_who_quotes_a_bounce_is_no_bounce() -> None:
    """Codes and phrases in somebody's letter condemn nobody."""
    for name in ("a-person", "a-person-forwards"):
        assert classify(sample(name)).kind is Kind.UNKNOWN


def test_a_temporary_code_is_never_hard() -> None:
    """Every sample that is hard stops being so when its codes become those of class 4."""
    for path in SAMPLES.glob("*.hard.5.*.eml"):
        content = (
            path.read_bytes().replace(b"Status: 5.", b"Status: 4.").replace(b" 5.", b" 4.").replace(b"550", b"450")
        )
        content = (
            content.replace(b"554", b"454").replace(b"551", b"451").replace(b"#5.", b"#4.").replace(b"-5.", b"-4.")
        )
        assert classify(content).kind is not Kind.HARD, path.name


def test_every_cause_of_the_tables_has_a_sentence() -> None:
    """No pattern leads to a cause that is not explained."""
    assert {cause for _, cause in (*TEXTS, *FOREIGN)} <= CAUSES.keys()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 5000,
        b"Content-Type: multipart/report; boundary=x\n\n" + b"--x\n" * 50_000,
        b"From: mailer-daemon\nSubject: failure\n\n" + b"<a@b.example>:\n" * 60_000,
        b"From: mailer-daemon\nSubject: failure\n\n" + b"a" * 10_000_000,
        b"From: mailer-daemon\nSubject: failure\n\n" + b"user " * 200_000,
        b"From: mailer-daemon\nSubject: failure\n\n" + b"the user name you tried to " * 40_000,
        b"From: mailer-daemon\nSubject: failure\nContent-Type: text/html\n\n" + b"<style" * 150_000,
        b"From: mailer-daemon\nSubject: failure\n\n" + b"@a." * 300_000,
        b"From: mailer-daemon\nSubject: failure\n\n" + b"a.b@" * 250_000,
        b"From: mailer-daemon\nSubject: failure\n\n" + b"550 5.1.1 " * 100_000,
        b"Subject: " + b"re: " * 15_000 + b"\n\nx",
        b"From: " + b"@" * 60_000 + b"\n\nx",
    ],
    ids=range(13),
)
def test_hostile_input_is_read_in_bounded_time(content: bytes) -> None:
    """Ten megabytes, a hundred thousand recipients, unclosed markup: half a second, and nobody is condemned."""
    verdict = within(1.0, lambda: classify(content))
    assert verdict.kind is not Kind.HARD or len(verdict.recipients) <= 1000


def test_a_thousand_recipients_are_the_most() -> None:
    """A report over 5,000 recipients is read for the first thousand."""
    group = b"\nFinal-Recipient: rfc822; u%d@customer.example\nAction: failed\nStatus: 5.1.1\n"
    report = b"Reporting-MTA: dns; x\n" + b"".join(group % n for n in range(5000))
    content = (
        b'From: mailer-daemon\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        b"--b\nContent-Type: message/delivery-status\n\n" + report + b"\n--b--\n"
    )
    verdict = within(2.0, lambda: classify(content))
    assert len(verdict.recipients) == 1000


@pytest.mark.parametrize("words", ["user ", "your client host ", "is was has been ", "message size "])
def test_a_thousand_recipients_and_words_that_nearly_match(words: str) -> None:
    """What is costly to read is read once, however many recipients it is about."""
    prose = (words * 20 + "\n").encode() * 900
    group = b"\nFinal-Recipient: rfc822; u%d@customer.example\nAction: failed\nStatus: 5.%d.1\n"
    report = b"Reporting-MTA: dns; x\n" + b"".join(group % (n, n % 2) for n in range(1000))
    content = (
        b'From: mailer-daemon\nSubject: failure\nContent-Type: multipart/report; boundary="b"\n\n--b\n\n'
        + prose
        + b"\n--b\nContent-Type: message/delivery-status\n\n"
        + report
        + b"\n--b--\n"
    )
    named = b"From: mailer-daemon\nSubject: failure\n\n" + b"".join(
        b"<u%d@customer.example>: " % n + (words * 5).encode() + b"\n" for n in range(1000)
    )
    within(3.0, lambda: classify(content))
    within(3.0, lambda: classify(named))


def test_a_bounce_inside_a_bounce_is_not_opened() -> None:
    """Nested message/rfc822, however deep, is what came back, not what is reported."""
    inner = sample("postfix-unknown")
    for _ in range(30):
        inner = b"From: mailer-daemon\nSubject: x\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n" + inner
    assert classify(inner).kind is not Kind.HARD


def test_damaged_samples_never_raise() -> None:
    """Octets cut, doubled and changed at random."""
    rng = random.Random(1)
    for path in SAMPLES.glob("*.eml"):
        content = bytearray(path.read_bytes())
        for _ in range(6):
            at = rng.randrange(len(content))
            content[at : at + rng.randrange(40)] = rng.randbytes(rng.randrange(20))
        classify(bytes(content))


def test_words_are_read_without_addresses_and_repeated_codes() -> None:
    """A reply of several lines becomes one sentence."""
    said = "550-5.1.1 The email account\n550-5.1.1 that <spam@x.example> you\u2019d\n550 5.1.1 reach"
    assert normal(said) == "550-5.1.1 the email account that you'd 550 5.1.1 reach"


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("rfc822; bob@x.test", "bob@x.test"),
        ("rfc822;<bob@x.test>", "bob@x.test"),
        ("rfc822; 'bob@x.test'", "bob@x.test"),
        ("rfc822; o'brien@x.test", "o'brien@x.test"),
        ("rfc822; ann+2Btag@x.test", "ann+tag@x.test"),
        ("utf-8; jos\\x{E9}@x.test", "jos\u00e9@x.test"),
        ("UTF-8; jos\u00e9@x.test", "jos\u00e9@x.test"),
        ("utf-8; a\\x{D800}b@x.test", "a\\x{D800}b@x.test"),
        ("rfc822; nobody", ""),
    ],
)
def test_an_address_in_a_report_is_read_in_every_form(field: str, found: str) -> None:
    """xtext (RFC 3461 section 4), utf-8-addr-xtext (RFC 6533 section 3), and with quotation marks."""
    assert address(field) == found
