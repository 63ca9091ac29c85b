"""The cookies this program sets, by the names its code uses: a test fails when the code has one that is not here."""

from __future__ import annotations

from typing import NamedTuple


class Cookie(NamedTuple):
    """Over HTTPS a name may begin with `__Host-`: the cookie then belongs to this host alone."""

    name: str
    purpose: str
    life: str


COOKIES = (
    Cookie("mailward", "Keeps you signed in.", "until you sign out, or the session ends"),
    Cookie("mailward_form", "Shows that a sign-in form came from our own page.", "until the browser is closed"),
    Cookie(
        "mailward_step", "Ties a sign-in's second step to this browser.", "until that step, or the browser is closed"
    ),
    Cookie("mailward_theme", "Remembers light or dark, once you choose one.", "a year"),
    Cookie(
        "mailward_device",
        "Makes this browser known, so that a sign-in from it is not strange; where you chose to trust it, for 30 days "
        "it skips the second factor.",
        "a year",
    ),
    Cookie("mailward_federation", "Ties a sign-in at another identity provider to this browser.", "minutes"),
    Cookie("mailward_invitation", "Keeps an invitation while you are at that provider to accept it.", "minutes"),
)
