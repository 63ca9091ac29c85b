"""`mailward up`: run the platform."""

from __future__ import annotations

import os

from mailward.app import logs
from mailward.app.commands.output import Config
from mailward.app.prepare import prepare, welcome
from mailward.app.settings import load
from mailward.app.supervisor import Supervisor


def up(*, config: Config = None, role: str | None = None) -> int:
    """Start the platform and stay in the foreground until SIGTERM or Ctrl-C, then drain.

    `--role web,submission,sender,upkeep` runs some of the roles only. On first start the
    data folder, keys, schema, a self-signed certificate and a workspace are made and a
    single-use setup link is printed.
    """
    settings = load(config, os.environ)
    if role is not None:
        settings.server.roles = [r.strip() for r in role.split(",")]
    logs.configure(settings.server.log, slot=None)
    return Supervisor(settings, prepare, lambda: welcome(settings)).run()
