"""Giving up root: which user the workers become, and the data folder made theirs."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path

import structlog

from mailward.app.roles import StartError
from mailward.app.settings import Settings

log = structlog.get_logger()


def become(settings: Settings) -> tuple[int, int] | None:
    """(uid, gid) the workers run as when we are root; None to stay as we are.

    StartError when mail is to leave the machine and that user does not exist: what talks to
    the world never runs as root by accident. Capture mode, which listens on loopback, warns.
    """
    if os.geteuid() != 0 or not settings.server.user:
        return None
    user = settings.server.user
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        if not settings.capture:
            raise StartError(
                f"started as root, and there is no user {user!r} for the workers to become. Either create it:\n"
                f"    useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {user}\n"
                "  (then start again: the data folder is made that user's own), or name a user that exists:\n"
                '    [server] user = "..."   in mailward.toml, or MAILWARD_SERVER__USER=...\n'
                "  or, where root is not the machine's root (in a container of its own), let the workers stay root:\n"
                '    [server] user = ""      or MAILWARD_SERVER__USER='
            ) from None
        log.warning(
            "running_as_root",
            advice=f"fine for trying out; before real use: useradd --system --user-group --no-create-home "
            f"--shell /usr/sbin/nologin {user}",
        )
        return None
    if entry.pw_uid == 0:
        raise StartError(f'server.user is {user!r}, which is root. Name another user, or set server.user = "" to stay.')
    return entry.pw_uid, entry.pw_gid


def give_data(data: Path, owner: tuple[int, int]) -> None:
    """Make the data folder the worker user's own. Other supervisors' workers may be at work in it."""
    for path in (data, *data.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            os.chown(path, *owner, follow_symlinks=False)
