"""The form of a message for a server that takes seven bits only: made when one is met, and signed as it is sent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, TypeAlias

from mailward.base.errors import Invalid, MailwardError
from mailward.base.outcome import PermFail, TempFail
from mailward.protocol.message import transport

Sign: TypeAlias = Callable[[bytes], tuple[bytes, tuple[str, ...]]]
"""Content -> its signature header block (may be empty) and the names of the keys."""

_NO_8BITMIME = "the server does not offer 8BITMIME"


class Form(NamedTuple):
    """What to send, signature first; `rewritten` says what was changed and why."""

    content: tuple[bytes, ...]
    rewritten: tuple[str, ...]


class SevenBit:
    """One message's 7-bit form (RFC 6152 section 3); asked again, it gives what it gave, whoever the server is.

    A call answers with the Form, with PermFail where the message must not or cannot be converted, with TempFail
    where it cannot be signed now. It raises nothing.
    """

    def __init__(
        self, content: bytes, sign: Sign, hold: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._hold = hold
        self._content = content
        self._sign = sign
        self._made: Form | PermFail | TempFail | None = None

    def __call__(self) -> Form | PermFail | TempFail:
        if self._made is None:
            with self._hold():
                self._made = self._make()
        return self._made

    def _make(self) -> Form | PermFail | TempFail:
        try:
            content, notes = transport.seven_bit(self._content)
        except Invalid as e:
            if e.code == "smtputf8_needed":
                return PermFail("smtputf8_unsupported", f"{_NO_8BITMIME}: {e.public}", 553, "5.6.7")
            return PermFail("eight_bit_unsupported", f"{_NO_8BITMIME}: {e.public}", 554, "5.6.3")
        try:
            header, _ = self._sign(content)
        except MailwardError as e:
            return TempFail("internal", f"the message could not be prepared ({e.code})")
        return Form((header, content) if header else (content,), tuple(f"{_NO_8BITMIME}: {note}" for note in notes))
