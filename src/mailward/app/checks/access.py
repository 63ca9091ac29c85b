"""AUTHZ-2, KEYS-1, AUTHN-1 and AUTHN-2: what the database refuses, and what it does not hold."""

from __future__ import annotations

import asyncio
import contextlib
import re
import urllib.error
import urllib.request
from pathlib import Path

from mailward.app.checks.network import processes_of
from mailward.app.checks.registry import check
from mailward.app.checks.storage import search, spellings
from mailward.app.context import Context
from mailward.app.settings import is_loopback, split_address
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.identity.credentials import Wish, create_key, revoke_key
from mailward.core.identity.tokens import TOKEN_PATTERN
from mailward.policy.access import Scope

_SHA256 = 32
# OWASP's least for Argon2id: 19 MiB with two passes.
_LEAST_MEMORY_KIB, _LEAST_PASSES = 19_456, 2


@check("AUTHZ-2")
async def no_scope_no_rows(context: Context) -> Finding:
    """Raw SQL on the application's own kind of connection finds nothing without a scope, and nothing past one."""
    tables, readable = await context.store.system_read(lambda tx: tx.evidence.past_scope())
    if readable or not tables:
        return failed(f"{', '.join(readable) or 'no table'} could be read without a scope or past one")
    return passed(f"raw SQL on {tables} tables finds no row without a scope, and none of another workspace within one")


@check("KEYS-1")
async def keys_are_hashes(context: Context) -> Finding:
    """Make a key, use it, and look for it in every file, row and command line; every stored credential is a hash."""
    now = context.clock.now()
    wish = Wish("evidence: is a key kept anywhere?", frozenset({Scope.SEND}))
    issued = await context.store.write(
        context.actor.workspace,
        lambda tx: create_key(tx, context.actor, wish, now=now, entropy=context.entropy),
    )
    assert issued.secret is not None
    secret = issued.secret.reveal()
    try:
        if not re.fullmatch(TOKEN_PATTERN, secret):
            return failed("a fresh key does not match the published pattern")
        used = await _use(context, secret)
        _, _, files = await asyncio.to_thread(search, context.settings.data, spellings(secret))
        lines = await asyncio.to_thread(_command_lines, context.settings.data)
        rows = await context.store.system_read(lambda tx: tx.evidence.tables_holding(secret))
    finally:
        await context.store.write(
            context.actor.workspace,
            lambda tx: revoke_key(tx, context.actor, issued.credential.id, now=context.clock.now()),
        )
    if files or rows or secret in lines:
        return failed("a key in use could be read in " + ", ".join([*files, *rows] or ["a command line"]))
    stored = await context.store.system_read(lambda tx: tx.evidence.credential_hashes())
    wrong = [kind for kind, token_hash in stored if kind != "network" and len(token_hash or b"") != _SHA256]
    if wrong:
        return failed(f"{len(wrong)} credentials are not stored as a hash")
    return passed(
        f"a fresh key{used} is in no file, row or command line; it matches the scanners' pattern; "
        f"{len(stored)} credentials, each a hash"
    )


async def _use(context: Context, secret: str) -> str:
    """Send one request with the key, where the platform answers on loopback; how that reads in the evidence."""
    listen = [a for a in context.settings.http.listen if is_loopback(split_address(a)[0])]
    if not listen:
        return ""
    request = urllib.request.Request(  # http on loopback, from our own settings
        f"http://{listen[0]}/v1/workspace", headers={"Authorization": f"Bearer {secret}"}
    )

    def ask() -> int:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # as above
                return int(answer.status)
        except urllib.error.HTTPError as e:
            e.close()
            return e.code
        except OSError:
            return 0

    return " that was used" if await asyncio.to_thread(ask) else ""


def _command_lines(data: Path) -> str:
    """What every process listing shows of our processes."""
    out = ""
    for pid in processes_of(data):
        with contextlib.suppress(OSError):
            out += Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    return out


@check("AUTHN-1")
async def passwords_are_argon2id(context: Context) -> Finding:
    """Every stored password parses as Argon2id at OWASP's parameters or stronger."""
    stored = await context.store.system_read(lambda tx: tx.evidence.passwords())
    for text in stored:
        match = re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$[^$]{16,}\$[^$]{32,}$", text)
        if match is None or int(match[1]) < _LEAST_MEMORY_KIB or int(match[2]) < _LEAST_PASSES:
            return failed("a stored password is not Argon2id of the demanded strength")
    return passed(f"{len(stored)} stored passwords: Argon2id, at least {_LEAST_MEMORY_KIB} KiB and 2 passes")


@check("AUTHN-2")
async def sessions_are_hashes(context: Context) -> Finding:
    """Every stored session is a 32-byte hash of its token."""
    stored = await context.store.system_read(lambda tx: tx.evidence.session_hashes())
    if any(len(token_hash) != _SHA256 for token_hash in stored):
        return failed("a session is not stored as a hash")
    return passed(f"{len(stored)} sessions, each a hash of 32 bytes")
