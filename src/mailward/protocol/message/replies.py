"""What is new in a reply: the text above what it quotes, in the languages and forms that mail programs write.

There is no standard for it. A sign of quoting is only believed together with a second one (a line that says who wrote,
and a quotation behind it), because a sentence that ends in "wrote:" is a sentence, too.
"""

from __future__ import annotations

import re

# What people are asked to write above. Everything from here on is quoted.
REPLY_MARKER = "### Reply Above This Line ###"
_LONGEST = 400  # a line longer than this is no attribution
_NEAR = 4  # how many lines a quotation, or the rest of a header block, may be away

# "wrote", as mail programs say it in their users' languages, each before or behind the name.
_WROTE = (
    "wrote", "schrieb", "a écrit", "escribió", "ha scritto", "schreef", "escreveu", "va escriure", "skrev",
    "kirjoitti", "kirjutas", "rakstīja", "rašė", r"napisał\(a\)", "napisał", "napisała", r"napsal\(a\)", "napsal",
    "napsala", "napísal", "napísala", "je napisao", "je napisala", "je napisao/la", "a scris", "írta", "yazdı",
    r"написал\(а\)", "написал", "написала", "пишет", "писал", "писала", "пише", "написав", "написа", "έγραψε",
    "đã viết", "menulis", "כתב", "כתבה", "כתב/ה", "كتب", "كتبت", "写道", "寫道", "写了", "さんは書きました", "のメール",
    "書きました", "作成", "작성", "님이 쓴 글",
)  # fmt: skip
# Languages written without spaces have no word boundary before the verb.
_VERB = re.compile(rf"(?i)(?<!\w)(?:{'|'.join(_WROTE)})|写道|寫道|書きました|작성")
# At the end of a line with a date and no verb: "2026年5月3日(水) 10:00 Ann <ann@example.org>:"
_ADDRESS = re.compile(r"<[^<>\s@]{1,64}@[^<>\s@]{1,255}>\s*[:\uff1a]\s*")
_DIGIT = re.compile(r"\d")

_ORIGINAL = (
    "original message", "ursprüngliche nachricht", "message d'origine", "mensaje original", "messaggio originale",
    "oorspronkelijk bericht", "mensagem original", "ursprungligt meddelande", "opprinnelig melding",
    "oprindelig meddelelse", "alkuperäinen viesti", "wiadomość oryginalna", "původní zpráva", "исходное сообщение",
    "özgün ileti", "orijinal mesaj", "eredeti üzenet", "原始邮件", "原始郵件", "元のメッセージ", "원본 메시지",
)  # fmt: skip
_SEPARATOR = re.compile(rf"(?i)^\s*(?:-{{2,}}\s*(?:{'|'.join(_ORIGINAL)})\s*-{{2,}}|_{{20,}})\s*$")
_FROM = (
    "from|von|de|da|van|från|fra|od|от|від|lähettäjä|kimden|feladó|expéditeur|remitente|mittente"
    "|差出人|发件人|寄件者|보낸 사람"
)  # fmt: skip
_NEXT = (
    "sent|date|to|gesendet|datum|an|envoyé|enviado|enviado el|inviato|verzonden|aan|à|para|fecha|data|skickat"
    "|sendt|til|till|wysłano|do|odesláno|komu|отправлено|дата|кому|lähetetty|gönderildi|küldve"
    "|送信日時|发送时间|寄件日期|보낸 날짜"
)
_FIELD = re.compile(rf"(?i)^\s*\*?(?:{_FROM})\s?\*?\s?[:\uff1a]\s*\S")
_SECOND = re.compile(rf"(?i)^\s*\*?(?:{_NEXT})\s?\*?\s?[:\uff1a]\s*\S")


def reply_of(text: str) -> str:
    """What is new in a reply: the text above the marker, the line that says who wrote what, or the quoted block.

    Only a tail is ever taken away, and never all of it: without a sign of quoting the answer is the whole text,
    and so it is when nothing stands above the first sign (somebody who answers below keeps their words).
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for n, line in enumerate(lines):
        if REPLY_MARKER in line:
            end = _back_over_quote_head(lines, n)
            break
        if len(line) <= _LONGEST and _starts_quote(lines, n):
            end = n
            break
    else:
        end = _tail_of_quotes(lines)
    kept = "\n".join(lines[:end]).rstrip()
    return kept if kept.strip() else text


def _starts_quote(lines: list[str], n: int) -> bool:
    line = lines[n]
    if not line or line.isspace():
        return False
    if _SEPARATOR.match(line):
        return True
    if _FIELD.match(line) and any(_SECOND.match(x[:_LONGEST]) for x in lines[n + 1 : n + _NEAR]):
        return True
    if _quoted_after(lines, n) and _attributes(line):
        return True
    # Long attributions are wrapped into two lines by many programs.
    if n + 1 >= len(lines) or line.lstrip().startswith(">") or not lines[n + 1].rstrip().endswith((":", "\uff1a")):
        return False
    return _quoted_after(lines, n + 1) and _attributes(line + " " + lines[n + 1][:_LONGEST])


def _attributes(line: str) -> bool:
    """Does the line say who wrote what follows?"""
    if not line.rstrip().endswith((":", "\uff1a")):  # nearly every line ends here
        return False
    if _VERB.search(line):
        return True
    at = line.rfind("<")
    return at > 0 and _ADDRESS.fullmatch(line, at) is not None and _DIGIT.search(line, 0, at) is not None


def _quoted_after(lines: list[str], n: int) -> bool:
    """Does a quotation follow: a line that begins with > among the next three?"""
    return any(x.lstrip().startswith(">") for x in lines[n + 1 : n + _NEAR])


def _back_over_quote_head(lines: list[str], n: int) -> int:
    """Where the quotation that holds the marker begins."""
    while n > 0 and lines[n - 1].lstrip().startswith(">"):
        n -= 1
    back = n
    while back > 0 and n - back < _NEAR:
        back -= 1
        if _attributes(lines[back][:_LONGEST]) or _attributes(" ".join(lines[back : back + 2])[: 2 * _LONGEST]):
            return back
    return n


def _tail_of_quotes(lines: list[str]) -> int:
    """Where a block of quoted lines that runs to the end begins; the end when there is none."""
    n = len(lines)
    seen = False
    while n > 0 and (not lines[n - 1].strip() or lines[n - 1].lstrip().startswith(">")):
        seen = seen or lines[n - 1].lstrip().startswith(">")
        n -= 1
    return n if seen else len(lines)
