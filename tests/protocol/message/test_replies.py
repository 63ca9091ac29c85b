"""What is new in a reply, in the words of many mail programs."""

from __future__ import annotations

from functools import partial

import pytest

from mailward.protocol.message.replies import REPLY_MARKER, reply_of
from tests.spent import within

ATTRIBUTIONS = {
    "English, Gmail": "On Mon, Jan 5, 2026 at 9:00 AM Bob <b@x.org> wrote:",
    "English, Thunderbird": "On 05.01.26 09:00, Bob wrote:",
    "German": "Am Mo., 5. Jan. 2026 um 09:00 Uhr schrieb Bob <b@x.org>:",
    "French": "Le lun. 5 janv. 2026 à 09:00, Bob <b@x.org> a écrit :",
    "Spanish": "El lun, 5 ene 2026 a las 9:00, Bob (<b@x.org>) escribió:",
    "Italian": "Il giorno lun 5 gen 2026 alle ore 09:00 Bob <b@x.org> ha scritto:",
    "Dutch": "Op ma 5 jan 2026 om 09:00 schreef Bob <b@x.org>:",
    "Portuguese": "Em seg., 5 de jan. de 2026 às 09:00, Bob <b@x.org> escreveu:",
    "Swedish": "Den mån 5 jan. 2026 kl 09:00 skrev Bob <b@x.org>:",
    "Danish": "Den man. 5. jan. 2026 kl. 09.00 skrev Bob <b@x.org>:",
    "Norwegian": "man. 5. jan. 2026 kl. 09:00 skrev Bob <b@x.org>:",
    "Finnish": "ma 5. tammik. 2026 klo 9.00 Bob (b@x.org) kirjoitti:",
    "Polish": "pon., 5 sty 2026 o 09:00 Bob <b@x.org> napisał(a):",
    "Czech": "po 5. 1. 2026 v 9:00 odesílatel Bob <b@x.org> napsal:",
    "Hungarian": "Bob <b@x.org> ezt írta (időpont: 2026. jan. 5., H, 9:00):",
    "Romanian": "În lun., 5 ian. 2026 la 09:00, Bob <b@x.org> a scris:",
    "Turkish": "Bob <b@x.org>, 5 Oca 2026 Pzt, 09:00 tarihinde şunu yazdı:",
    "Russian": "пн, 5 янв. 2026 г. в 09:00, Bob <b@x.org>:",
    "Russian, Mail.ru": "Понедельник, 5 января 2026, 9:00 от Боба написал(а):",
    "Ukrainian": "пн, 5 січ. 2026 р. о 09:00 Bob <b@x.org> пише:",
    "Greek": "Στις Δευ 5 Ιαν 2026 στις 9:00 π.μ., ο χρήστης Bob <b@x.org> έγραψε:",
    "Hebrew": "‫בתאריך יום ב׳, 5 בינו׳ 2026 ב-9:00 מאת ‪Bob‬‏ כתב:",
    "Vietnamese": "Vào Th 2, 5 thg 1, 2026 vào lúc 09:00 Bob <b@x.org> đã viết:",
    "Indonesian": "Pada tanggal Sen, 5 Jan 2026 pukul 09.00 Bob <b@x.org> menulis:",
    "Chinese": "Bob <b@x.org> 于2026年1月5日周一 09:00写道：",
    "Japanese": "2026年1月5日(月) 9:00 Bob <b@x.org>:",
    "Korean": "2026년 1월 5일 (월) 오전 9:00, Bob <b@x.org>님이 작성:",
}
BLOCKS = {
    "English": "From: Bob <b@x.org>\nSent: Monday, January 5, 2026 9:00 AM\nTo: Ann\nSubject: Why",
    "bold": "*From:* Bob <b@x.org>\n*Sent:* Monday\n*To:* Ann",
    "German": "Von: Bob <b@x.org>\nGesendet: Montag, 5. Januar 2026 09:00\nAn: Ann",
    "French": "De : Bob <b@x.org>\nEnvoyé : lundi 5 janvier 2026 09:00\nÀ : Ann",
    "Spanish": "De: Bob <b@x.org>\nEnviado el: lunes, 5 de enero de 2026\nPara: Ann",
    "Swedish": "Från: Bob <b@x.org>\nSkickat: den 5 januari 2026 09:00\nTill: Ann",
    "Polish": "Od: Bob <b@x.org>\nWysłano: poniedziałek, 5 stycznia 2026\nDo: Ann",
    "Russian": "От: Bob <b@x.org>\nОтправлено: 5 января 2026 г. 9:00\nКому: Ann",
    "Chinese": "发件人: Bob <b@x.org>\n发送时间: 2026年1月5日 9:00\n收件人: Ann",
    "Japanese": "差出人: Bob <b@x.org>\n送信日時: 2026年1月5日 9:00\n宛先: Ann",
    "separator": "-----Original Message-----\nBob said",
    "German separator": "-----Ursprüngliche Nachricht-----\nBob sagte",
    "line": "________________________________\nBob said",
}


@pytest.mark.parametrize("language", ATTRIBUTIONS)
def test_who_wrote_what_follows(language: str) -> None:
    """The line that names the author and the quotation behind it go, on one line or wrapped into two."""
    line = ATTRIBUTIONS[language]
    assert reply_of(f"Yes, do.\r\n\r\n{line}\r\n\r\n> Shall we?\r\n> Bob\r\n") == "Yes, do."
    head, space, tail = line[20:].partition(" ")
    if space:
        assert reply_of(f"Yes, do.\n\n{line[:20]}{head}\n{tail}\n> Shall we?\n") == "Yes, do."


@pytest.mark.parametrize("language", ATTRIBUTIONS)
def test_the_same_words_in_a_text_stay(language: str) -> None:
    """Without a quotation behind it such a line is the writer's own."""
    text = f"I found this:\n\n{ATTRIBUTIONS[language]}\nwhich says it all."
    assert reply_of(text) == text


@pytest.mark.parametrize("form", BLOCKS)
def test_header_blocks_and_separators(form: str) -> None:
    """What Outlook and its kin write above the message they answer goes with it, quoted or not."""
    assert reply_of(f"Yes, do.\n\n{BLOCKS[form]}\n\nShall we?\n") == "Yes, do."


@pytest.mark.parametrize(
    "text",
    ["From: the start\nof a sentence", "Dear Bob,\n\nlet me quote:\n\nnothing.", "> only quoted", "", "\n",
     "On Monday he wrote:\nI am here.",
     "> why?\n\nBecause.\n\n> when?\n\nNow.", "a_b\n____\nc"],
)  # fmt: skip
def test_what_stays_whole(text: str) -> None:
    """No sign of quoting, or answers between quotations: all of it is kept."""
    assert reply_of(text).strip() == text.strip()


def test_the_marker_wins() -> None:
    """What stands above the marker is the reply, without the attribution of the quotation that holds the marker."""
    text = f"Yes.\n\nOn Monday, Bob <b@x.org> wrote:\n> {REPLY_MARKER}\n> Shall we?"
    assert reply_of(text) == "Yes."


def test_hostile_text_costs_little() -> None:
    """Megabytes of almost-attributions are read in a moment."""
    for text in (
        "wrote " * 300_000, "wrote: " * 60 + "x\n", ("wrote " * 60 + ":\n") * 3000, "1 <a@b>:\n" * 100_000,
        ("1" * 390 + ":\n") * 3000, "From:x\n" * 150_000, ">" * 1_000_000, ("<a@" * 100 + ":\n") * 4000,
    ):  # fmt: skip
        within(2, partial(reply_of, text))
