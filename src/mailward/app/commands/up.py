"""`mailward up`: run the platform."""

from __future__ import annotations

import os
from collections.abc import Callable

from mailward.app import logs
from mailward.app.commands.output import Config
from mailward.app.first import First
from mailward.app.roles import ORDER
from mailward.app.settings import ROLES, Settings, SettingsError, load
from mailward.app.supervisor import Supervisor
from mailward.app.welcome import prepare_apart, welcome


def up(*, config: Config = None, role: str | None = None) -> int:
    """Start the platform and stay in the foreground until SIGTERM or Ctrl-C, then drain.

    `--role web,submission,sender,upkeep,mx` runs some of the roles only; several processes with
    roles of their own share a data folder. On first start the data folder, keys, schema, a
    self-signed certificate and a workspace are made and a single-use setup link is printed.
    """
    settings = load(config, os.environ)
    if role is not None:
        settings.server.roles = roles_of(role)
    logs.configure(settings.server.log, slot=None)
    first = First()

    def prepare(settings: Settings, idle: Callable[[int], bool]) -> None:
        nonlocal first
        first = prepare_apart(settings, idle)

    return Supervisor(settings, prepare, lambda: welcome(settings, first)).run()


def roles_of(text: str) -> list[str]:
    """The roles of `--role`; SettingsError when one is unknown or there is none."""
    roles = list(dict.fromkeys(r.strip() for r in text.split(",") if r.strip()))
    if not roles or not set(roles) <= ROLES:
        wrong = next((r for r in roles if r not in ROLES), text)
        raise SettingsError(f"--role: unknown role {wrong!r}; choose from {', '.join(ORDER)}")
    return roles
