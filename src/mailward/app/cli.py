"""The `mailward` command: a table of contents. Each area's commands are in `app/commands`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from mailward import __version__
from mailward.app.commands import audit, bill, config, doctor, domain, keys, message, people, smtp, up, vault, verify
from mailward.app.commands import webhook as webhooks
from mailward.app.commands import workspace as workspaces
from mailward.app.settings import SettingsError
from mailward.app.supervisor import StartError
from mailward.base.errors import MailwardError

Config = Annotated[str | None, Parameter(name="--config", help="Settings file.")]

app = cyclopts.App(
    name="mailward",
    help="Self-hosted, multi-tenant email platform.",
    version=__version__,
    result_action="return_value",
)
app.command(up.up)
app.command(doctor.doctor)
app.command(verify.verify)
app.command(bill.sbom)
app.command(people.setup_link)
app.command(config.app, name="config")
app.command(domain.app, name="domain")
app.command(keys.app, name="key")
app.command(smtp.app, name="smtp")
app.command(message.app, name="message")
app.command(webhooks.app, name="webhook")
app.command(audit.app, name="audit")
app.command(vault.app, name="vault")
app.command(workspaces.app, name="workspace")


def main() -> None:
    """Run a command. Exit codes: 0 fine, 1 the command's own 'no', 2 wrong use, 3 cannot start or reach the store."""
    try:
        code = app()
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (SettingsError, StartError) as e:
        print(f"mailward: {e}", file=sys.stderr)
        sys.exit(3)
    except MailwardError as e:
        print(f"mailward: {e.public}" + (f" ({e.detail})" if e.detail else ""), file=sys.stderr)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
