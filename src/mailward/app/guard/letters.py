"""What the guard writes to people. Plain text; subjects hold neither addresses nor secrets."""

from __future__ import annotations

from datetime import datetime

from mailward.core.identity.model import Arrival
from mailward.policy.suspicion import Suspicion


def signed_in(arrival: Arrival, suspicion: Suspicion, link: str, now: datetime) -> tuple[str, str]:
    """Subject and text of the notice that every sign-in sends."""
    text = (
        "Somebody signed in to your account:\n\n"
        f"{_where(arrival, now)}{_why(suspicion)}\n"
        "If it was you, there is nothing to do.\n\n"
        "If it was not you, open this link. It ends every session, forgets every browser, ends keys and second\n"
        "factors made in your name since, and sends you a letter to choose another password:\n\n"
        f"{link}\n"
    )
    return "You signed in", text


def held(arrival: Arrival, suspicion: Suspicion, confirm: str, disown: str, now: datetime) -> tuple[str, str]:
    """Subject and text of the letter that asks whether a held sign-in is the owner's."""
    text = (
        "Somebody who knows your password tries to sign in. We hold it, because it looks unusual:\n\n"
        f"{_where(arrival, now)}{_why(suspicion)}\n"
        "If it is you, open this link within an hour, then sign in again in the same browser:\n\n"
        f"{confirm}\n\n"
        "If it is not you, open this one. It ends every session and sends you a letter to choose another password:\n\n"
        f"{disown}\n"
    )
    return "Is it you who signs in?", text


def recovery(link: str) -> tuple[str, str]:
    """Subject and text of the letter by which the owner takes the account back."""
    text = (
        "You told us that a sign-in was not yours. Every session has ended, and your password does not work any more.\n"
        "Choose another one within an hour:\n\n"
        f"{link}\n\n"
        "If the hour is over, ask for another letter on the sign-in page. If you used the password elsewhere, change\n"
        "it there as well.\n"
    )
    return "Choose another password", text


def _where(arrival: Arrival, now: datetime) -> str:
    return (
        f"  Time     {now:%Y-%m-%d %H:%M} UTC\n"
        f"  Address  {arrival.address}\n"
        f"  Place    {arrival.place or 'not known'} (network {arrival.network or 'not known'})\n"
        f"  Browser  {arrival.device or 'not known'}\n"
    )


def _why(suspicion: Suspicion) -> str:
    return "".join(f"\n  - {reason}" for reason in suspicion.reasons) + ("\n" if suspicion.reasons else "")
