"""What the checks of receiving talk to: the running MX, by messages to its postmaster that are removed again."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mailward.adapters.storage.records import BodyRef
from mailward.app.bodies import Bodies
from mailward.app.checks.transport import Talk, lenient
from mailward.app.context import Context, workspaces
from mailward.base import ids
from mailward.core.inbound.model import Received
from mailward.protocol.proxy import SIGNATURE

_QUEUED = re.compile(r"250 2\.0\.0 Queued as (rcv_[0-9a-z]{26})\r\n")
_LOCAL = SIGNATURE + b"\x20\x00\x00\x00"  # a balancer's own connection


class MxSilent(Exception):
    """The MX could not be asked; the text says why."""


def mx_address(context: Context) -> str:
    """Where the MX listens; "" when this installation has none."""
    settings = context.settings
    return settings.mx.listen[0] if "mx" in settings.server.roles and settings.mx.listen else ""


@asynccontextmanager
async def talk(context: Context, *, tls: bool = False, source: str = "", greet: bool = True) -> AsyncIterator[Talk]:
    """A dialogue with the MX after EHLO, over TLS if asked for. `talk.greeting` is the last reply to EHLO.

    It comes from a loopback address if one is named; without `greet` nothing has been said or read yet.
    """
    address = mx_address(context)
    try:
        dialogue = await Talk.open(address, source)
    except OSError:
        raise MxSilent(f"the MX at {address} does not answer") from None
    try:
        if context.settings.mx.proxies:
            dialogue.writer.write(_LOCAL)
        if greet:
            await dialogue.answer()
            dialogue.greeting = await dialogue.say("EHLO verify.invalid")
        if tls:
            await dialogue.say("STARTTLS")
            await dialogue.writer.start_tls(lenient())
            dialogue.greeting = await dialogue.say("EHLO verify.invalid")
        yield dialogue
    except (ssl.SSLError, ConnectionError, TimeoutError) as e:
        raise MxSilent(f"the MX at {address} ended the dialogue ({type(e).__name__})") from None
    finally:
        await dialogue.leave()


async def hand_in(dialogue: Talk, content: bytes) -> str:
    """One message from the null sender to the postmaster; the reply to its content, or the refusal before it."""
    for command, wanted in (("MAIL FROM:<>", "250"), ("RCPT TO:<postmaster>", "250"), ("DATA", "354")):
        said = await dialogue.say(command)
        if not said.startswith(wanted):
            return said
    stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
    dialogue.writer.write(stuffed + b".\r\n")
    return await dialogue.answer()


async def remove(context: Context, said: str) -> None:
    """Erase the message that an answer says was taken, if it says so."""
    if queued := _QUEUED.fullmatch(said):
        raw, workspace = ids.decode("rcv", queued[1]), (await workspaces(context.store))[0].id
        await context.store.write(workspace, lambda tx: tx.inbound.erase([raw]))


@asynccontextmanager
async def received(context: Context, content: bytes, *, tls: bool = False) -> AsyncIterator[tuple[Received, bytes]]:
    """A message as it was recorded and its content read back; it is removed at the end, whatever happens."""
    async with talk(context, tls=tls) as dialogue:
        said = await hand_in(dialogue, content)
    queued = _QUEUED.fullmatch(said)
    if queued is None:
        raise MxSilent(f"the MX did not take a message to its postmaster: {said.strip()[:100]}")
    raw = ids.decode("rcv", queued[1])
    workspace = (await workspaces(context.store))[0].id
    try:
        found = await context.store.read(workspace, lambda tx: tx.inbound.received(raw))
        if found is None or found.body is None:
            raise MxSilent("a message that got 250 is not in the store")
        bodies = Bodies(context.store, context.installation.data_keys)
        yield found, await bodies.read(ids.decode("ws", workspace), raw, BodyRef(*found.body), reader=None)
    finally:
        await context.store.write(workspace, lambda tx: tx.inbound.erase([raw]))
