"""`mailward up`: run the platform."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from mailward.app.commands.output import Config
from mailward.app.process import supervising
from mailward.app.roles import ORDER
from mailward.app.settings import ROLES, SettingsError, load
from mailward.app.usable import doubts, require_usable


def up(*, config: Config = None, role: str | None = None) -> NoReturn:
    """Start the platform and stay in the foreground until SIGTERM or Ctrl-C, then drain.

    `--role web,submission,sender,upkeep,mx` runs some of the roles only; several processes with
    roles of their own share a data folder. On first start the data folder, keys, schema, a
    self-signed certificate and a workspace are made and a single-use setup link is printed; in
    capture mode also a key and an SMTP login, which go to first-credentials.txt in the data folder
    where a log keeps what is printed.
    """
    roles = roles_of(role) if role is not None else []
    settings = load(config, os.environ)
    require_usable(settings)
    for name, why in doubts(settings):
        print(f"mailward: warning: {name}: {why}", file=sys.stderr)
    # In its own place: what read the options takes more memory than the supervisor, and lives no longer than it must.
    sys.stdout.flush()
    os.execv(sys.executable, supervising(config, roles))  # noqa: S606  # fixed words, no shell


def roles_of(text: str) -> list[str]:
    """The roles of `--role`; SettingsError when one is unknown or there is none."""
    roles = list(dict.fromkeys(r.strip() for r in text.split(",") if r.strip()))
    if not roles or not set(roles) <= ROLES:
        wrong = next((r for r in roles if r not in ROLES), text)
        raise SettingsError(f"--role: unknown role {wrong!r}; choose from {', '.join(ORDER)}")
    return roles
