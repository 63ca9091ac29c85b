"""`mailward config`: what is in force, and whether it can be used."""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated, Any

import cyclopts
import msgspec
from cyclopts import Parameter

from mailward.app.settings import find_config, load
from mailward.app.usable import doubts, require_usable

app = cyclopts.App(name="config", help="Settings.")

Config = Annotated[str | None, Parameter(name="--config", help="Settings file.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]

_SECRET = re.compile(r"(?:^|_)(?:secret|password|token|secret_key|api_key|tsig_key|hmac_key)$")


@app.command
def check(*, config: Config = None, json: Json = False) -> int:
    """Read the settings as `mailward up` would and say what is in force. Exits 3 when they cannot be used.

    The files they name are looked at, too. What is accepted and hardly meant is a warning on standard error.
    """
    settings = load(config, os.environ)
    require_usable(settings)
    for name, why in doubts(settings):
        print(f"warning: {name}: {why}", file=sys.stderr)
    if json:
        print(msgspec.json.format(msgspec.json.encode(_shown(msgspec.to_builtins(settings))), indent=2).decode())
        return 0
    path = find_config(config, os.environ)
    print(f"settings: {path or 'defaults and environment'}")
    print(f"mode: {'capture (nothing leaves this machine)' if settings.capture else settings.server.hostname}")
    for section, values in _shown(msgspec.to_builtins(settings)).items():
        for key, value in values.items():
            print(f"{section}.{key} = {value!r}")
    return 0


def _shown(value: Any, name: str = "") -> Any:
    """A value without what is secret: passwords in URLs, and what is called a secret, a password or a token."""
    if isinstance(value, dict):
        return {k: _shown(v, str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(v, name) for v in value]
    if isinstance(value, str) and value and _SECRET.search(name):
        return "***"
    if isinstance(value, str) and "://" in value:
        return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", value)
    return value
