"""`mailward trust`: the published document of the controls, and checking one somewhere else."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from mailward.app.commands.output import Config, Json, print_json
from mailward.app.context import Context, run
from mailward.app.public.reading import PublicReader
from mailward.core.evidence.publish import NotGenuine, jwk, read_key, verify_file

app = cyclopts.App(name="trust", help="What /trust publishes, and verifying it elsewhere.")
_WRONG_USE = 2


@app.command
def verify(file: Path, *, key: Path, json: Json = False) -> int:
    """Verify a saved /trust.json with a saved key (/trust/key.json, PEM or base64). Needs no installation.

    Exit codes: 0 genuine, 1 not, 2 when a file cannot be read.
    """
    try:
        content, public_key = file.read_bytes(), read_key(key.read_bytes())
    except (OSError, ValueError, KeyError, IndexError) as e:
        print(f"mailward: {e if isinstance(e, OSError) else f'{key} holds no Ed25519 key'}", file=sys.stderr)
        return _WRONG_USE
    try:
        document = verify_file(content, public_key)
    except NotGenuine as e:
        print(f"mailward: not genuine: {e}", file=sys.stderr)
        return 1
    if json:
        print_json(document)
        return 0
    states: dict[str, int] = {}
    for control in document["controls"]:
        states[control["state"]] = states.get(control["state"], 0) + 1
    told = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in sorted(states.items()))
    print(f"Genuine. {document['issuer']}, checked {document['at'] or 'never'}: {told}")
    return 0


@app.command
def show(*, config: Config = None) -> int:
    """Print the signed document as /trust.json serves it."""

    async def act(context: Context) -> int:
        sys.stdout.buffer.write((await PublicReader(context.installation).trust()).file + b"\n")
        return 0

    return run(config, None, act)


@app.command(name="key")
def key_(*, config: Config = None, pem: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Print the public key that signs it, as a JWK, or as PEM."""

    async def act(context: Context) -> int:
        signer = context.installation.vault.log_signer()
        print(PublicReader.pem(signer.public_key) if pem else jsonlib.dumps(jwk(signer.public_key)))
        return 0

    return run(config, None, act)
