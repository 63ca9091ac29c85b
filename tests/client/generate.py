"""Writes the parts of `mailward_client` that follow from the OpenAPI document. `make client` runs it.

models.py       a frozen dataclass for each schema
operations.py   a line for each operation
api.py, api_async.py    a typed method for each operation, and an iterator for each list with a cursor
"""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from mailward.edges.web import app, openapi
from mailward.edges.web.ports import Readiness

PLACE = Path(__file__).parents[2] / "src" / "mailward_client"
_NOTE = "Made from the OpenAPI document by `make client`; changes here are lost."
_JSON = "application/json"
Json = dict[str, Any]


def snake(name: str) -> str:
    """`listWebhookEvents` as Python writes it."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


def safe(name: str) -> str:
    """A name Python allows: `from_`, `user_agent`."""
    name = re.sub(r"\W", "_", name).lower()
    return name + "_" if keyword.iskeyword(name) else name


def schema_of(content: Json | None) -> Json | None:
    """The JSON schema of a body's content, when it has one."""
    return content.get(_JSON, {}).get("schema") if content else None


class Types:
    """Schemas as Python annotations."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __call__(self, schema: Json) -> str:
        """The annotation of a schema."""
        if "$ref" in schema:
            return self.prefix + str(schema["$ref"]).rsplit("/", 1)[1]
        if "anyOf" in schema:
            kinds = [self(s) for s in schema["anyOf"] if s.get("type") != "null"]
            if any(s.get("type") == "null" for s in schema["anyOf"]):
                kinds.append("None")
            return " | ".join(dict.fromkeys(kinds))
        if "enum" in schema:
            return f"Literal[{', '.join(repr(v) for v in schema['enum'])}]"
        match schema.get("type"):
            case "string" if schema.get("format") == "date-time":
                return "datetime"
            case "string" if schema.get("contentEncoding") == "base64":
                return "bytes"
            case "string":
                return "str"
            case "integer":
                return "int"
            case "number":
                return "float"
            case "boolean":
                return "bool"
            case "array":
                return f"list[{self(schema['items'])}]"
            case "object":
                more = schema.get("additionalProperties")
                return f"dict[str, {self(more) if isinstance(more, dict) and more else 'Any'}]"
            case _:
                return "Any"


def document() -> Json:
    """The OpenAPI document of the application as it is now."""
    return openapi.document(app.table(cast(Readiness, None)))


def _doc(text: str, indent: str) -> str:
    text = " ".join(text.split())
    if len(text) + len(indent) + 6 <= 118:
        return f'{indent}"""{text}"""\n'
    first, *rest = textwrap.wrap(text, 104)
    return f'{indent}"""{first}\n' + "".join(f"{indent}{line}\n" for line in rest) + f'{indent}"""\n'


def _requests(doc: Json) -> set[str]:
    """Names of the schemas that are sent, with those inside them."""
    schemas, found = doc["components"]["schemas"], set[str]()

    def walk(value: Any) -> None:
        match value:
            case {"$ref": str(ref)} if (name := ref.rsplit("/", 1)[1]) in schemas and name not in found:
                found.add(name)
                walk(schemas[name])
            case dict():
                for inner in value.values():
                    walk(inner)
            case list():
                for inner in value:
                    walk(inner)

    for _, _, op in _operations(doc):
        walk(op.get("requestBody", {}))
    return found


def _operations(doc: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in doc["paths"].items():
        for method, op in methods.items():
            yield method.upper(), path, op


def models(doc: Json) -> str:
    """models.py."""
    types, sent = Types(""), _requests(doc)
    out = [f'"""What is sent and answered, as dataclasses.\n\n{_NOTE}\n"""\n\nfrom __future__ import annotations\n\n']
    out.append("from dataclasses import dataclass, field\nfrom datetime import datetime\n")
    out.append("from typing import Any, Literal\n\nfrom mailward_client.values import OMIT, Omit\n\n\n")
    for name, schema in sorted(doc["components"]["schemas"].items()):
        if name == "Problem":
            told = "A refusal inside an answer. A refused call raises `mailward_client.Problem` instead."
        else:
            told = schema.get("description") or name
        out.append(f"@dataclass(frozen=True, slots=True, kw_only=True)\nclass {name}:\n{_doc(told, '    ')}\n")
        for key, inner in schema["properties"].items():
            hint, python = types(inner), safe(key)
            required = key in schema.get("required", [])
            if not required and name in sent:
                hint, default = f"{hint} | Omit", "OMIT"
            elif not required:
                hint, default = (hint if hint.endswith("None") else f"{hint} | None"), "None"
            else:
                default = ""
            if python != key:
                given = f"default={default}, " if default else ""
                default = f'field({given}metadata={{"json": "{key}"}})'
            out.append(f"    {python}: {hint}{' = ' + default if default else ''}\n")
        out.append("\n\n")
    return "".join(out)


def _answers(op: Json, types: Types) -> dict[int, str]:
    found = {}
    for status, answer in op["responses"].items():
        content = answer.get("content")
        if "$ref" in answer:
            continue
        if not content:
            found[int(status)] = "None"
        elif schema := schema_of(content):
            if schema.get("$ref", "").endswith("/Document"):
                found[int(status)] = "dict[str, Any]"
            elif not schema.get("$ref", "").endswith("/Problem"):
                found[int(status)] = types(schema)
        else:
            found[int(status)] = "bytes"
    return found


def _keyed(op: Json) -> bool:
    return any(p["name"] == "Idempotency-Key" for p in op["parameters"])


def operations(doc: Json) -> str:
    """operations.py."""
    out = [f'"""Each operation: method, path, and the type of every status that is an answer.\n\n{_NOTE}\n"""\n\n']
    out.append("from __future__ import annotations\n\nfrom typing import Any\n\nfrom mailward_client import models\n")
    out.append("from mailward_client.exchange import Operation\n\n")
    for method, path, op in _operations(doc):
        answers = ", ".join(f"{status}: {kind}" for status, kind in _answers(op, Types("models.")).items())
        keyed = ", keyed=True" if _keyed(op) else ""
        name = snake(op["operationId"]).upper()
        out.append(f'{name} = Operation("{method}", "{path}", {{{answers}}}{keyed})\n')
    return "".join(out)


class Method:
    """One operation as methods of a client, synchronous or not."""

    def __init__(self, doc: Json, op: Json, *, awaits: bool) -> None:
        self.op, self.awaits = op, awaits
        self.name = snake(op["operationId"])
        types = Types("models.")
        self.path: list[str] = []
        self.query: list[tuple[str, str, bool]] = []
        self.headers: list[str] = []
        for p in op["parameters"]:
            if p["in"] == "path":
                self.path.append(p["name"])
            elif p["in"] == "query":
                self.query.append((p["name"], types(p["schema"]), p["required"]))
            else:
                self.headers.append(p["name"])
        content = op.get("requestBody", {}).get("content", {})
        self.raw = next(iter(content)) if content and _JSON not in content else ""
        self.body: list[tuple[str, str, bool]] = []
        if schema := schema_of(content):
            struct = doc["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            needed = struct.get("required", [])
            self.body = [(key, types(inner), key in needed) for key, inner in struct["properties"].items()]
            self.body.sort(key=lambda field: not field[2])
        else:
            self.headers = [h for h in self.headers if h == "Idempotency-Key" or self.raw]
        if self.body:  # what a header says about a raw body is a field of the JSON one
            self.headers = [h for h in self.headers if h == "Idempotency-Key"]
        self.answers = _answers(op, types)
        self.returns = " | ".join(dict.fromkeys(self.answers.values()))

    def _named(self, dry: str | None = None) -> list[str]:
        found = []
        for key, hint, required in self.body:
            if key == "dry_run" and dry is not None:
                found.append(f"dry_run: {dry}")
            elif required:
                found.append(f"{safe(key)}: {hint}")
            else:
                found.append(f"{safe(key)}: {hint} | Omit = OMIT")
        if dry and "=" not in dry:  # required here: before those with a default no order is asked of keywords
            found.sort(key=lambda text: "=" in text)
        for key, hint, required in self.query:
            found.append(f"{safe(key)}: {hint}" if required else f"{safe(key)}: {hint} | None = None")
        found += [f"{safe(key)}: str | None = None" for key in self.headers]
        return found

    def _head(self, returns: str, *, dry: str | None = None, name: str = "", skip: str = "", awaits: bool) -> str:
        positional = [f"{safe(p)}: str" for p in self.path] + (["content: bytes | str"] if self.raw else [])
        named = [n for n in self._named(dry) if not (skip and n.startswith(skip))]
        arguments = ", ".join(["self", *positional, *(["*", *named] if named else [])])
        return f"    {'async ' if awaits else ''}def {name or self.name}({arguments}) -> {returns}:\n"

    def _arguments(self) -> str:
        path = ", ".join(f'"{p}": {safe(p)}' for p in self.path)
        query = ", ".join(f'"{key}": {safe(key)}' for key, _, _ in self.query)
        headers = ", ".join(f'"{h.lower()}": {safe(h)}' for h in self.headers)
        if self.raw:
            body = "content.encode() if isinstance(content, str) else content"
        elif self.body:
            body = "{" + ", ".join(f'"{key}": {safe(key)}' for key, _, _ in self.body) + "}"
        else:
            body = "None"
        media = f', media="{self.raw}"' if self.raw else ""
        return f"path={{{path}}}, query={{{query}}}, body={body}, headers={{{headers}}}{media}"

    def __str__(self) -> str:
        told = f"{self.op['summary']}. {self.op.get('description', '')}"
        out = []
        two = len([s for s in self.answers if s < 300]) > 1
        if two:  # a dry run has an answer of its own
            first, second = list(self.answers.values())
            for dry, returns in (("Literal[False] | Omit = OMIT", first), ("Literal[True]", second)):
                out.append("    @overload\n" + self._head(returns, dry=dry, awaits=self.awaits).rstrip() + " ...\n\n")
            out.append(self._head(self.returns, dry="bool | Omit = OMIT", awaits=self.awaits))
        else:
            out.append(self._head(self.returns, awaits=self.awaits))
        out.append(_doc(told, "        "))
        call = f"{'await ' if self.awaits else ''}self._call(ops.{self.name.upper()}, {self._arguments()})"
        if self.returns == "None":
            out.append(f"        {call}\n\n")
        else:
            out.append(f"        found: {self.returns} = {call}\n        return found\n\n")
        listed = self.returns.removeprefix("models.") in _ITEMS
        if listed and any(key == "cursor" for key, _, _ in self.query):
            out.append(self._iterator())
        return "".join(out)

    def _iterator(self) -> str:
        kind = f"{'AsyncIterator' if self.awaits else 'Iterator'}[{_ITEMS[self.returns.removeprefix('models.')]}]"
        name = re.sub(r"^list_", "iter_", self.name)
        arguments = [safe(p) for p in self.path]
        arguments += [f"{safe(k)}={safe(k)}" for k, _, _ in self.query if k != "cursor"]
        page = f"lambda at: self.{self.name}({', '.join([*arguments, 'cursor=at'])})"
        return (
            self._head(kind, name=name, skip="cursor:", awaits=False)
            + _doc(f"{self.op['summary']}: everything, fetched page by page (`limit` at a time).", "        ")
            + f"        return self._pages({page}, None)\n\n"
        )


_ITEMS: dict[str, str] = {}


def api(doc: Json, *, awaits: bool) -> str:
    """api.py or api_async.py."""
    for name, schema in doc["components"]["schemas"].items():
        if "next_cursor" in schema["properties"]:
            _ITEMS[name] = Types("models.")(schema["properties"]["data"]["items"])
    kind, base = ("AsyncMailward", "AsyncConnection") if awaits else ("Mailward", "Connection")
    iterator = "AsyncIterator" if awaits else "Iterator"
    used = f"from mailward_client.connection import {base}\nfrom mailward_client.values import OMIT, Omit\n"
    out = [
        f'"""The {"a" if awaits else ""}synchronous client: a method for each operation.\n\n{_NOTE}\n"""\n\n'
        "from __future__ import annotations\n\n"
        f"from collections.abc import {iterator}\nfrom datetime import datetime\n"
        "from typing import Any, Literal, overload\n\nfrom mailward_client import models\n"
        f"from mailward_client import operations as ops\n{used}\n\n"
        f"class {kind}({base}):\n"
        + _doc(f"Every operation of an installation{', awaited' if awaits else ''}. Errors: `errors`.", "    ")
        + "\n"
    ]
    out += [str(Method(doc, op, awaits=awaits)) for _, _, op in _operations(doc)]
    return "".join(out)


def files() -> dict[str, str]:
    """Each file's text, formatted."""
    doc = document()
    made = {
        "models.py": models(doc),
        "operations.py": operations(doc),
        "api.py": api(doc, awaits=False),
        "api_async.py": api(doc, awaits=True),
    }
    return {name: _formatted(text, name) for name, text in made.items()}


def _formatted(text: str, name: str) -> str:
    for arguments in (["check", "--fix", "--quiet", "--select", "F401,I,RUF036"], ["format", "--quiet"]):
        if arguments[0] == "check":
            arguments = [*arguments, "--exit-zero"]
        told = subprocess.run(  # our own text, through the formatter of the environment
            [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(PLACE / name), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        text = told.stdout
    return text


if __name__ == "__main__":
    for file, text in files().items():
        (PLACE / file).write_text(text, "utf-8")
