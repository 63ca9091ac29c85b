"""`mailward template`: templates from files, tried and published."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import msgspec
from cyclopts import Parameter

from mailward.adapters.rendering.renderer import LimitedRenderer
from mailward.app.commands.output import Config, Json, Workspace, print_facts, print_json, print_table
from mailward.app.context import Context, run
from mailward.app.platform.templates import Templates
from mailward.base.errors import Invalid, NotFound, Unavailable
from mailward.core.identity.credentials import Wish, create_key
from mailward.edges.web.schema import templates as schema
from mailward.policy.access import Scope

app = cyclopts.App(name="template", help="Mail templates.")

_FILES = {"subject.txt": "subject", "html.html": "html", "text.txt": "text", "sample.json": "sample"}


@asynccontextmanager
async def _templates(context: Context) -> AsyncIterator[Templates]:
    renderer = LimitedRenderer(context.clock.monotonic)
    try:
        # Workers learn of what is published by the epoch in the store, so nobody has to be told from here.
        yield Templates(context.store, context.clock, context.entropy, renderer, changed=lambda: None)
    finally:
        await renderer.close()


@app.command(name="list")
def list_(*, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """The templates of a workspace by name."""

    async def act(context: Context) -> int:
        async with _templates(context) as area:
            page = await area.list(context.actor, schema.TemplateQuery(limit=100))
        if json:
            print_json(page)
        else:
            rows = [(t.name, t.version or "-", t.layout or "-", t.description) for t in page.data]
            print_table(rows, ("name", "sent version", "layout", "description"))
        return 0

    return run(config, workspace, act)


@app.command
def show(name: str, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """One template with its draft."""

    async def act(context: Context) -> int:
        async with _templates(context) as area:
            found = await area.get(context.actor, name)
        if json:
            print_json(found)
        else:
            print_facts({"name": found.name, "sent version": found.version or "none", "layout": found.layout or "none"})
            print(f"subject: {found.subject}\n\n{found.html or found.text}")
        return 0

    return run(config, workspace, act)


@app.command
def push(
    path: Path,
    /,
    *,
    name: str | None = None,
    layout: str | None = None,
    publish: bool = False,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Make or change a draft from a JSON file of its fields, or from a folder.

    A folder holds any of subject.txt, html.html, text.txt and sample.json.

    The name is that of the file or folder unless --name says another; --publish publishes the draft at once.
    """

    stem = path.resolve().stem

    async def act(context: Context) -> int:
        fields = await asyncio.to_thread(_read, path)
        if layout is not None:
            fields["layout"] = layout
        called = name or str(fields.pop("name", "") or stem)
        fields.pop("name", None)
        try:
            change = msgspec.convert(fields, schema.ChangeTemplate)
            new = msgspec.convert({**fields, "name": called}, schema.CreateTemplate)
        except msgspec.ValidationError as e:
            raise Invalid("invalid_field", f"{path}: {e}") from None
        async with _templates(context) as area:
            try:
                made = await area.change(context.actor, called, change)
            except NotFound:
                made = await area.create(context.actor, new)
            if publish:
                made = await area.publish(context.actor, called)
        _say(made, json)
        return 0

    return run(config, workspace, act)


@app.command
def publish(name: str, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Try the draft with its sample and make it what is sent."""

    async def act(context: Context) -> int:
        async with _templates(context) as area:
            _say(await area.publish(context.actor, name), json)
        return 0

    return run(config, workspace, act)


@app.command
def rollback(name: str, version: int, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Send an earlier version again."""

    async def act(context: Context) -> int:
        async with _templates(context) as area:
            _say(await area.roll_back(context.actor, name, version), json)
        return 0

    return run(config, workspace, act)


@app.command
def preview(
    name: str,
    *,
    version: int | None = None,
    data: Path | None = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """What the draft, or a version, renders to with its sample or with a file of JSON."""

    async def act(context: Context) -> int:
        given = None if data is None else _object(await asyncio.to_thread(data.read_bytes), data)
        async with _templates(context) as area:
            mail = await area.preview(context.actor, name, schema.RenderTemplate(data=given, version=version))
        if json:
            print_json(mail)
        else:
            print(f"Subject: {mail.subject}\n\n{mail.text}\n{mail.html}")
        return 0

    return run(config, workspace, act)


@app.command(name="send-test")
def send_test(
    name: str,
    *,
    sender: Annotated[str, Parameter(name="--from", help="An address of a domain that may send.")],
    to: str,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Send the draft with its sample to one address, marked as a test, through the running platform.

    The command cannot accept mail itself: it asks the API on loopback, with a key that ends with the question.
    """

    async def act(context: Context) -> int:
        from mailward.app.checks.probe import NotThere, ask, end, secret

        async with _templates(context) as area:
            mail = await area.preview(context.actor, name, schema.RenderTemplate())
        asked = {"from": sender, "to": [to], "subject": f"[Test] {mail.subject}"[:998], "tags": ["template-test"]}
        asked |= {part: text for part, text in (("text", mail.text), ("html", mail.html)) if text}
        wish = Wish(f"template send-test {name}"[:100], scopes=frozenset({Scope.SEND}))
        now, place = context.clock.now(), context.actor.workspace
        key = await context.store.write(
            place, lambda tx: create_key(tx, context.actor, wish, now=now, entropy=context.entropy)
        )
        try:
            heard = await ask(context, "POST", "/v1/messages", key=secret(key), body=asked)
        except NotThere as e:
            raise Unavailable("not_running", f"The test was not sent: {e}") from None
        finally:
            await end(context, key)
        if heard.status != 202:
            print(f"Refused: {heard.body.get('detail') or heard.code}", file=sys.stderr)
            return 1
        print_json(heard.body) if json else print(f"{heard.body['id']} is on its way to {to}.")
        return 0

    return run(config, workspace, act)


def _say(made: schema.Template, json: bool) -> None:
    state = f"version {made.version} is sent" if made.version else "a draft"
    print_json(made) if json else print(f"{made.name}: {state}")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        return _object(path.read_bytes(), path)
    found: dict[str, Any] = {}
    for file, field in _FILES.items():
        if (path / file).is_file():
            raw = (path / file).read_bytes()
            found[field] = _object(raw, path / file) if field == "sample" else _text(raw, path / file)
    if "subject" in found:
        found["subject"] = found["subject"].strip()
    if not found:
        raise Invalid("nothing_found", f"{path} holds none of {', '.join(_FILES)}.")
    return found


def _text(raw: bytes, path: Path) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("invalid_text", f"{path} is not UTF-8 text.") from None


def _object(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise Invalid("invalid_json", f"{path} is not a JSON object: {e}") from None
