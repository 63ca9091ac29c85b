"""Text made from HTML, for those who read mail without it: links, lists, headings and quotes stay recognisable."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_HIDDEN = frozenset(("style", "script", "head", "title", "template", "noscript"))
_PARAGRAPHS = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "hr"))
_LINES = frozenset(
    ("div", "br", "tr", "section", "article", "header", "footer", "main", "dt", "dd", "figure", "address")
)
_LINKS = ("http://", "https://", "mailto:", "tel:")
_SPACE = re.compile(r"[ \t\r\n\f]+")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._hidden = 0
        self._lists: list[int] = []  # the next number of an ordered list, 0 for the others
        self._links: list[tuple[str, int]] = []
        self._headings: list[int] = []
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in _HIDDEN:
            self._hidden += 1
        elif self._hidden:
            return
        elif tag == "li":
            self._item()
        elif tag == "a":
            self._links.append((given.get("href") or "", len(self.out)))
        elif tag == "img":
            self.out.append(given.get("alt") or "")
        elif tag in ("td", "th"):
            self.out.append(" ")
        elif tag in _PARAGRAPHS:
            self._open(tag, given)
        elif tag in _LINES:
            self.out.append("\n")

    def _open(self, tag: str, given: dict[str, str | None]) -> None:
        nested = tag in ("ul", "ol") and self._lists
        self.out.append("" if nested else "\n\n")
        if tag in ("ul", "ol"):
            start = given.get("start") or "1"
            number = int(start) if start.isdecimal() and start.isascii() and len(start) < 7 else 1
            self._lists.append(number if tag == "ol" else 0)
        elif tag[0] == "h" and tag != "hr":
            self._headings.append(len(self.out))
        elif tag == "hr":
            self.out.append("-" * 20 + "\n\n")
        elif tag == "pre":
            self._pre += 1
        elif tag == "blockquote":
            self.out.append("\x0e")

    def _item(self) -> None:
        depth = "  " * min(max(0, len(self._lists) - 1), 10)
        mark = "-"
        if self._lists and self._lists[-1]:
            mark = f"{self._lists[-1]}."
            self._lists[-1] += 1
        # \x1f stands for a space that is kept at the beginning of a line.
        self.out.append("\n" + depth.replace(" ", "\x1f") + mark + " ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif self._hidden:
            return
        elif tag == "a" and self._links:
            href, at = self._links.pop()
            self._link(href, at)
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            self.out.append("\n" if self._lists else "\n\n")
        elif tag in _PARAGRAPHS:
            self._close(tag)
        elif tag in _LINES and tag != "br":
            self.out.append("\n")

    def _close(self, tag: str) -> None:
        if tag[0] == "h" and self._headings:
            at = self._headings.pop()
            words = _SPACE.sub(" ", "".join(self.out[at:])).strip()
            self.out.append("\n" + ("=" if tag == "h1" else "-") * min(len(words), 60))
        elif tag == "pre":
            self._pre = max(0, self._pre - 1)
        elif tag == "blockquote":
            self.out.append("\x0f")
        self.out.append("\n\n")

    def _link(self, href: str, at: int) -> None:
        words = "".join(self.out[at:]).strip()
        bare = href.removeprefix("mailto:").removeprefix("tel:")
        if href.lower().startswith(_LINKS) and words not in (href, bare):
            self.out.append(f" <{bare}>" if words else bare)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        data = data.translate(_CONTROLS)
        self.out.append(data.replace(" ", "\x1f") if self._pre else _SPACE.sub(" ", data))


_CONTROLS = {n: None for n in range(32) if n not in (9, 10, 13)} | {0xA0: " "}


def from_html(html: str) -> str:
    """The text of a document, lines as long as the paragraphs are; ends with a line feed unless empty."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines: list[str] = []
    quoted = 0
    for raw in "".join(reader.out).split("\n"):
        opened, closed = raw.count("\x0e"), raw.count("\x0f")
        quoted += opened
        line = _SPACE.sub(" ", raw.replace("\x0e", "").replace("\x0f", "")).strip(" ").replace("\x1f", " ").rstrip()
        if line or (lines and lines[-1]):
            lines.append("> " * min(quoted, 10) + line if line else "")
        quoted = max(0, quoted - closed)
    return "\n".join(lines).strip("\n") + "\n" if any(lines) else ""
