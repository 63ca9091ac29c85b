"""Sample values and calls: a request that the schema allows, in curl, Python and Node."""

from __future__ import annotations

import base64
import json
import keyword
import pprint
import re
import shlex
from typing import Any

Json = dict[str, Any]
_ID = "01jd2s8k3xq4v6w8y0z1a2b3c4"
_JSON = "application/json"
_RAW = {"text/csv": "address\nbob@example.net\n", "message/rfc822": "From: ada@example.com\r\n\r\nHi\r\n"}
KEY = "MAILWARD_KEY"
TO_COME = "2030-01-01"
"""Stands in samples for a day to come; the page names the one after that on which it is read."""


def sample(schema: Json, schemas: Json) -> Any:
    """A value the schema allows: its own example, its default, or the plainest one; of a struct what is required."""
    if "$ref" in schema:
        return sample(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if schema.get("default") is not None:
        return schema["default"]
    if "anyOf" in schema:
        return sample(next(s for s in schema["anyOf"] if s.get("type") != "null"), schemas)
    match schema.get("type"):
        case "object":
            needed = schema.get("required", [])
            return {
                name: sample(inner, schemas) for name, inner in schema.get("properties", {}).items() if name in needed
            }
        case "array":
            return [sample(schema["items"], schemas)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string" if schema.get("format") == "date-time":
            return f"{TO_COME}T12:00:00Z"
        case "string" if schema.get("contentEncoding") == "base64":
            return "RnJvbTogYWRhQGV4YW1wbGUuY29tDQoNCkhpDQo="
        case _:
            return _text(schema)


def _text(schema: Json) -> str:
    if found := re.match(r"\^([a-z]+)_\[", schema.get("pattern", "")):
        return f"{found[1]}_{_ID}"
    least: int = schema.get("minLength", 1)
    return "x" * max(1, least)


def body(op: Json, schemas: Json) -> Any:
    """The example of the request's body; None when it takes none, text when it is not JSON."""
    content = op.get("requestBody", {}).get("content", {})
    if _JSON in content:
        example = content[_JSON].get("example")
        return sample(content[_JSON]["schema"], schemas) if example is None else example
    return next((_RAW.get(media, "text") for media in content), None)


def _parameters(op: Json, where: str) -> dict[str, str]:
    """Parameters of an example: those of the path, and of the query what it requires or names an example of."""
    return {
        p["name"]: str(p["example"] if "example" in p else _id(p) if where == "path" else sample(p["schema"], {}))
        for p in op["parameters"]
        if p["in"] == where and (p["required"] or "example" in p)
    }


def _id(parameter: Json) -> str:
    return _text(parameter["schema"]) if "pattern" in parameter["schema"] else f"{parameter['name']}_id"


def _address(path: str, op: Json) -> str:
    filled = path.format(**_parameters(op, "path"))
    query = "&".join(f"{name}={value}" for name, value in _parameters(op, "query").items())
    return f"{filled}?{query}" if query else filled


def _media(op: Json) -> str:
    content = op["requestBody"]["content"]
    return _JSON if _JSON in content else str(next(iter(content)))


def curl(base: str, method: str, path: str, op: Json, given: Any) -> str:
    """A line for a shell; the key comes from the environment."""
    words = ["curl"] + (["-X", method] if method != "GET" else [])
    lines = [" ".join([*words, shlex.quote(base + _address(path, op))])]
    if op["security"]:
        lines.append(f'-H "Authorization: Bearer ${KEY}"')
    if given is not None:
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        lines += [f"-H 'Content-Type: {_media(op)}'", f"--data-binary {shlex.quote(text)}"]
    return " \\\n  ".join(lines)


def python(base: str, op: Json, given: Any) -> str:
    """The same with `mailward_client`."""
    arguments = [repr(value) for value in _parameters(op, "path").values()]
    if isinstance(given, str):
        arguments.append(repr(given))
    elif given is not None:
        schema = op["requestBody"]["content"][_JSON]["schema"]["$ref"].rsplit("/", 1)[1]
        arguments += [f"{_safe(name)}={_literal(name, value, schema)}" for name, value in given.items()]
    arguments += [f"{_safe(name)}={_plain(value)}" for name, value in _parameters(op, "query").items()]
    call = f"mail.{snake(op['operationId'])}("
    inside = ", ".join(arguments)
    if len(inside) > 70:
        inside = "\n        " + ",\n        ".join(arguments) + ",\n    "
    found = f"{call}{inside})"
    extra = "from datetime import datetime\n" if "datetime." in found else ""
    head = f"import os\n{extra}from mailward_client import Mailward\n\n"
    head += f'with Mailward("{base}", os.environ["{KEY}"]) as mail:\n'
    if op["responses"].get("204"):
        return f"{head}    {found}"
    return f"{head}    print({found})" if "\n" not in found else f"{head}    answer = {found}\n    print(answer)"


def _plain(value: str) -> str:
    return value if value.isdecimal() else repr(value)


def _literal(name: str, value: Any, schema: str) -> str:
    if schema == "BatchRequest" and name == "messages":
        return json.dumps(value) if not value else f"{value!r}"
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value):
        return f'datetime.fromisoformat("{value}")'
    if name == "raw":
        return repr(base64.b64decode(value))
    return pprint.pformat(value, width=80, sort_dicts=False).replace("\n", "\n        ")


def node(base: str, method: str, path: str, op: Json, given: Any) -> str:
    """The same with fetch, for Node 18 and newer."""
    options: list[str] = [f"  method: {json.dumps(method)},"] if method != "GET" else []
    headers = [f"Authorization: `Bearer ${{process.env.{KEY}}}`"] if op["security"] else []
    if given is not None:
        headers.append(f'"Content-Type": "{_media(op)}"')
        text = json.dumps(given, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        options.append(f"  body: {text if isinstance(given, str) else f'JSON.stringify({text})'},")
    if headers:
        options.insert(0, f"  headers: {{ {', '.join(headers)} }},")
    target = json.dumps(base + _address(path, op))
    inside = ", {\n" + "\n".join(options) + "\n}" if options else ""
    told = "answer.status" if op["responses"].get("204") else "await answer.text()"
    return f"const answer = await fetch({target}{inside});\nconsole.log({told});"


def snake(name: str) -> str:
    """`listWebhookEvents` as the client calls it."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


def _safe(name: str) -> str:
    return name + "_" if keyword.iskeyword(name) else name
