"""The error tree. Each error carries two texts: `public` may be read by a stranger,
`detail` is for our log only.

    MailwardError
    ├── Refused            the caller may not have this; 4xx / 5yz, final
    │   ├── Invalid        the request itself is wrong (field tells where)
    │   ├── Unauthenticated
    │   ├── Forbidden
    │   ├── NotFound
    │   ├── Conflict
    │   ├── TooLarge
    │   ├── ChallengeRequired  solve it and ask again
    │   ├── StepUpRequired     show a factor again and ask again
    │   └── LimitReached   try again later (retry_after seconds)
    ├── Unavailable        ours to mend: storage full, key service away; 503 / 4yz
    └── Corrupt            stored bytes failed their check; never served

Only `edges/web/problems.py` and `edges/smtpd/replies.py` translate these.
"""

from __future__ import annotations

from collections.abc import Callable


class MailwardError(Exception):
    """Base of all our errors.

    `code` is a stable machine-readable name (`domain_not_verified`), `public` a
    sentence that helps the caller, `detail` private context for the log.
    """

    def __init__(self, code: str, public: str, *, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.public = public
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail or self.public}"

    def __reduce__(self) -> tuple[Callable[..., MailwardError], tuple[type[MailwardError], dict[str, object]]]:
        # The standard way calls the class with `args`, which is the code alone.
        return restored, (type(self), dict(self.__dict__))


def restored(kind: type[MailwardError], facts: dict[str, object]) -> MailwardError:
    """An error of a kind as it was elsewhere, from what its `__dict__` held there."""
    made = kind.__new__(kind, facts["code"])
    made.__dict__.update(facts)
    return made


class Refused(MailwardError):
    """The caller may not have this, now or ever; retrying unchanged will not help."""


class Invalid(Refused):
    """The request is malformed or breaks a stated limit; `field` says where (JSON pointer-ish path)."""

    def __init__(self, code: str, public: str, *, field: str = "", detail: str = "") -> None:
        super().__init__(code, public, detail=detail)
        self.field = field


class Unauthenticated(Refused):
    """No credential, or one that does not verify. Never says which."""


class Forbidden(Refused):
    """The credential is good but does not reach this act."""


class NotFound(Refused):
    """No such thing in the caller's workspace (also the answer for another tenant's ids)."""


class Conflict(Refused):
    """The state of the thing does not allow this move, or an idempotency key was reused."""


class TooLarge(Refused):
    """A size limit was passed."""


class ChallengeRequired(Refused):
    """Too much was guessed here lately: the caller solves `challenge` (what the page shows) and asks again."""

    def __init__(self, code: str, public: str, *, challenge: str = "", detail: str = "") -> None:
        super().__init__(code, public, detail=detail)
        self.challenge = challenge


class StepUpRequired(Refused):
    """A dangerous act in a session whose person did not show a factor lately."""


class LimitReached(Refused):
    """A rate or quota limit; `retry_after` in seconds."""

    def __init__(self, code: str, public: str, *, retry_after: float, detail: str = "") -> None:
        super().__init__(code, public, detail=detail)
        self.retry_after = retry_after


class Unavailable(MailwardError):
    """A part of the platform is away or full. Nothing was accepted; trying again is right."""


class Corrupt(MailwardError):
    """Stored bytes failed authentication or a checksum. They are never served."""
