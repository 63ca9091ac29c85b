"""KEYS-3: a live key is reported as leaked, in a transaction that is undone; and the public door is asked."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from mailward.app.checks import probe
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.store import Tx
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.identity import tokens
from mailward.core.identity.leaks import report_leak
from mailward.core.identity.model import LEAKED

_DOOR = "/leaked-keys"


@dataclass
class _Undone(Exception):
    """Ends the transaction with what was seen in it, so that no owner is told of a leak that is none."""

    found: bool
    told: bool
    revoked: bool


@check("KEYS-3")
async def a_leaked_key_is_acted_on(context: Context) -> Finding:
    """A live key is recognised, its owner is to be told and, where that is asked for, it is revoked; others are not."""
    try:
        async with probe.temporary(context, probe.SENDING) as issued:
            for revoke in (False, True):
                seen = await _reported(context, issued.credential.id, secret(issued), revoke)
                if not seen.found or not (seen.told or seen.revoked):
                    return failed("a report of a live key does nothing")
                if revoke and not seen.revoked:
                    return failed("a reported key is not revoked where the workspace asks for that")
                if not revoke and not seen.told:
                    return failed("the owner of a reported key is not to be told")
            stranger = tokens.new_token(tokens.API_KEY, context.entropy).reveal()
            if (await _reported(context, issued.credential.id, stranger, True)).found:
                return failed("a key that nobody has is taken for a live one")
            answers = {await _ask(context, stranger), await _ask(context, "no key at all")}
    except NotThere as e:
        return failed(str(e))
    if answers != {(202, "")}:
        return failed(f"{_DOOR} answers {sorted(answers)} to keys that are none, not 202 to each")
    return passed(
        "a live key is recognised, its owner told, and it is revoked where the workspace asks for that (tried and "
        "undone); the public door answers 202 to a key nobody has and to any other text alike"
    )


async def _ask(context: Context, text: str) -> tuple[int, str]:
    source = probe.fresh_source(context)
    heard = await probe.ask(context, "POST", _DOOR, body={"token": text, "where": "verify"}, source=source)
    return heard.status, heard.code


async def _reported(context: Context, id: str, token: str, revoke: bool) -> _Undone:
    workspace, now = context.actor.workspace, context.clock.now()

    async def verb(tx: Tx) -> None:
        own = await tx.workspaces.get(workspace)
        assert own is not None
        await tx.workspaces.change_settings(workspace, structs.replace(own.settings, revoke_leaked=revoke))
        found = await report_leak(tx, token, where="verify", now=now)
        kept = await tx.credentials.get(id)
        raise _Undone(
            found is not None,
            await tx.notices.last(workspace, id, LEAKED) is not None,
            kept is not None and kept.revoked is not None,
        )

    try:
        await context.store.system_write(verb)
    except _Undone as seen:
        return seen
    raise AssertionError("the verb always ends by raising")
