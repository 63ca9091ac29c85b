"""What letters about passwords, codes and addresses say. Plain text; subjects hold no secret."""

from __future__ import annotations


def code(digits: str, address: str) -> tuple[str, str]:
    """Subject and text of a one-time code."""
    return "Your sign-in code", (
        f"Your code is {digits[:3]} {digits[3:]}\n\n"
        f"It is good for ten minutes, once, in the browser that asked for it (from {address}).\n"
        "If you did not try to sign in, somebody knows your password: change it.\n"
    )


def reset(link: str, address: str) -> tuple[str, str]:
    """Subject and text of the letter by which somebody chooses another password."""
    return "Choose another password", (
        f"Somebody (from {address}) asked to choose another password for your account:\n\n{link}\n\n"
        "The link works once, for an hour. If you have a second factor, it asks for that too.\n"
        "If it was not you, there is nothing to do: your password stays as it is.\n"
    )


def password_changed(link: str) -> tuple[str, str]:
    """Subject and text of the notice that the password is another one."""
    return "Your password was changed", (
        "The password of your account was changed, and every other session has ended.\n\n"
        f"If it was not you, choose another one at once: {link}\n"
    )


def factor_changed(what: str, link: str) -> tuple[str, str]:
    """Subject and text of the notice that a second factor was added or removed."""
    return "A second factor was changed", (
        f"{what}, and every other session has ended.\n\nIf it was not you, look at once: {link}\n"
    )


def old_address(to: str, link: str) -> tuple[str, str]:
    """Subject and text of the letter to the address that is given up."""
    return "Change of your address", (
        f"Somebody signed in as you wants this account to have another address: {to}\n\n"
        f"If it was you, confirm it here, and in the letter we sent there:\n\n{link}\n\n"
        "If it was not you, do not open the link: change your password and look at your sessions.\n"
    )


def new_address(link: str) -> tuple[str, str]:
    """Subject and text of the letter to the address that is wanted."""
    return "Confirm your address", (
        f"Somebody wants to use this address for their account. If it was you, confirm it here:\n\n{link}\n\n"
        "The letter to the address used so far has to be confirmed as well. If it was not you, ignore this.\n"
    )
