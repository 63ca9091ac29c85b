"""INPUT-1, third look: the running API is asked with what its own published schema does not allow, one fault at a time.

Only what changes nothing is asked: reading, dry runs, and operations on things that never were.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from mailward.app.checks import probe
from mailward.app.checks.probe import Heard, NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.evidence.model import Finding, failed, passed

_MOST = 300
"""Questions of one run; which of all is drawn anew each time."""
_JSON = "application/json"
_WRONG: tuple[tuple[str, Any], ...] = (
    ("integer", 7), ("string", "x"), ("boolean", True), ("array", []), ("object", {}),
)  # fmt: skip
# An export is an act that is counted, and many of them raise an alert.
_COUNTED = re.compile(r"/(export|csv)$")
_Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One question: an operation of the document, and what is wrong about it ("" when nothing is)."""

    method: str
    path: str
    responses: _Schema
    what: str
    query: str = ""
    body: Any = None


class Document:
    """The published schema, as it is read by who fuzzes."""

    def __init__(self, told: _Schema) -> None:
        self.told = told

    def resolve(self, schema: _Schema) -> _Schema:
        """What a reference points to."""
        while "$ref" in schema:
            found: Any = self.told
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema

    def ways(self, schema: _Schema) -> list[_Schema]:
        """Each of the alternatives of a schema."""
        schema = self.resolve(schema)
        either = schema.get("anyOf") or schema.get("oneOf")
        return [way for s in either for way in self.ways(s)] if either else [schema]

    def types(self, schema: _Schema) -> set[str]:
        """The JSON types that a schema allows; empty for any."""
        found: set[str] = set()
        for way in self.ways(schema):
            kind = way.get("type")
            if kind is None and "enum" not in way and "const" not in way:
                return set()
            found |= set(kind) if isinstance(kind, list) else {kind} if kind else {"string"}
        return found | {"integer"} if "number" in found else found


def broken(document: Document, schema: _Schema) -> Iterator[tuple[str, Any]]:
    """Values that a schema does not allow, with what is wrong about each."""
    allowed = document.types(schema)
    for name, value in _WRONG:
        if allowed and name not in allowed:
            yield f"{name} where {'/'.join(sorted(allowed))} is", value
    ways = document.ways(schema)
    kinds = [w for w in ways if w.get("type") != "null"]
    if len(kinds) != 1:
        return
    way, kind = kinds[0], kinds[0].get("type")
    if "enum" in way and kind in (None, "string"):
        yield "no member of the enumeration", "no-such-word"
    if kind == "string":
        if "maxLength" in way:
            yield "too long", "x" * (way["maxLength"] + 1)
        if way.get("minLength"):
            yield "too short", ""
    if kind in ("integer", "number"):
        if "maximum" in way:
            yield "too large", way["maximum"] + 1
        if "minimum" in way:
            yield "too small", way["minimum"] - 1
    if kind == "array" and way.get("maxItems", _MOST) < _MOST:
        yield "too many", ["x"] * (way["maxItems"] + 1)


def faulty(document: Document, schema: _Schema, sound: Any) -> Iterator[tuple[str, Any]]:
    """Bodies like `sound`, each with one fault: a field that is unknown, missing, or of a value its schema excludes."""
    way = next((w for w in document.ways(schema) if w.get("type") == "object"), None)
    if way is None or not isinstance(sound, dict):
        return
    yield "an unknown field", {**sound, "no_such_field": 1}
    for name in way.get("required", ()):
        yield f"no {name}", {k: v for k, v in sound.items() if k != name}
    for name, field in way.get("properties", {}).items():
        if name == "dry_run":
            continue  # should that be let through, the rest would be done
        for what, value in broken(document, field):
            yield f"{name}: {what}", {**sound, name: value}
        items = document.resolve(field).get("items")
        if items and isinstance(sound.get(name), list) and sound[name]:
            for what, item in faulty(document, items, sound[name][0]):
                yield f"{name}[0]: {what}", {**sound, name: [item]}


def cases(told: _Schema) -> list[Case]:
    """Every question that a document gives rise to."""
    document, found = Document(told), []
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            if not path.startswith("/v1/") or not operation.get("security") or _COUNTED.search(path):
                continue
            where, nobodys = path, "{" in path
            for parameter in (p for p in operation["parameters"] if p["in"] == "path"):
                where = where.replace("{" + parameter["name"] + "}", _never(parameter["schema"]))
            mine = [(what, query, None) for what, query in _queries(document, operation)] if method == "get" else []
            content = operation.get("requestBody", {}).get("content", {}).get(_JSON)
            if content is not None and (sound := _sound(document, content)) is not None:
                tried = _dry(document, content["schema"], sound)
                if nobodys or tried is not None:
                    mine += [("", "", tried or sound)] if nobodys else []
                    mine += [(w, "", b) for w, b in faulty(document, content["schema"], tried or sound)]
            found += [Case(method.upper(), where, operation["responses"], *rest) for rest in mine]
    return found


def draw(every: list[Case], seed: int) -> list[Case]:
    """The questions of one run: of equal seeds the same ones."""
    order = {n: hashlib.sha256(f"{seed} {n}".encode()).digest() for n in range(len(every))}
    return [every[n] for n in sorted(order, key=lambda n: order[n])[:_MOST]]


def _never(schema: _Schema) -> str:
    """A name of the right form that nothing has."""
    match = re.match(r"\^([a-z]+_)", schema.get("pattern", ""))
    return match[1] + "0" * 26 if match else "never-was"


def _sound(document: Document, content: _Schema) -> Any:
    """The body that the document gives as an example; an empty one where nothing is required."""
    if "example" in content:
        return copy.deepcopy(content["example"])
    return None if any(w.get("required") for w in document.ways(content["schema"])) else {}


def _dry(document: Document, schema: _Schema, sound: Any) -> Any:
    """The same body as a dry run; None when there is no such thing."""
    for way in document.ways(schema):
        fields = way.get("properties", {})
        if "dry_run" in fields:
            return {**sound, "dry_run": True}
        for name, field in fields.items():
            items, listed = document.resolve(field).get("items"), sound.get(name)
            if items and isinstance(listed, list) and "dry_run" in document.resolve(items).get("properties", {}):
                return {**sound, name: [{**item, "dry_run": True} for item in listed]}
    return None


def _queries(document: Document, operation: _Schema) -> Iterator[tuple[str, str]]:
    yield "", ""
    yield "an unknown parameter", "?no_such_parameter=1"
    for parameter in (p for p in operation["parameters"] if p["in"] == "query"):
        name, schema = parameter["name"], parameter["schema"]
        numeric = document.types(schema) <= {"integer", "number", "boolean"}
        for what, value in broken(document, schema):
            # In a query everything is text: only what reads as no such thing is of the wrong type.
            if " where " not in what or (numeric and value == "x"):
                yield f"{name}: {what}", "?" + urlencode({name: value})
        yield f"{name}: given twice", f"?{quote(name)}=a&{quote(name)}=b"


def amiss(document: Document, case: Case, heard: Heard) -> str:
    """What is wrong about an answer: a fault of ours, a fault let through, or what the document does not say."""
    if heard.status >= 500:
        return "a fault of ours"
    if case.what and heard.status < 400:
        return "let through"
    told = case.responses.get(str(heard.status)) or case.responses.get("default")
    if told is None:
        return "not documented"
    content = {_plain(media): said for media, said in document.resolve(told).get("content", {}).items()}
    media = _plain(heard.headers.get("content-type", ""))
    if content and media not in content:
        return f"documented as {', '.join(content)}, not as {media or 'nothing'}"
    schema = content.get(media, {}).get("schema")
    if schema is not None and media.endswith("json") and not conforms(document, schema, heard.body):
        return "not of the documented form"
    return ""


def _plain(media: str) -> str:
    """A media type without its parameters."""
    return media.partition(";")[0].strip()


_KINDS: dict[str, Any] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
    "null": type(None),
}  # fmt: skip


def conforms(document: Document, schema: _Schema, value: Any) -> bool:
    """Whether a value is what a schema says: types, enumerations, what is required, and each part in turn."""
    return any(_is(document, way, value) for way in document.ways(schema))


def _is(document: Document, way: _Schema, value: Any) -> bool:
    kinds = way.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, _KINDS[k]) and (k == "boolean") >= isinstance(value, bool) for k in kinds):
        return False
    if "enum" in way and value not in way["enum"]:
        return False
    if isinstance(value, list):
        return all(conforms(document, way["items"], item) for item in value) if way.get("items") else True
    if not isinstance(value, dict):
        return True
    fields = way.get("properties", {})
    return set(way.get("required", ())) <= set(value) and all(
        conforms(document, fields[name], part) for name, part in value.items() if name in fields
    )


@check("INPUT-1")
async def the_schema_is_kept(context: Context) -> Finding:
    """Fuzz the running API by the schema it publishes: unknown, missing, mistyped and oversized fields and parameters,
    drawn at random, are refused, no answer is a fault of ours, and each is one that the document describes."""
    seed = int.from_bytes(context.entropy.bytes(4))
    wrong: list[str] = []
    asked = 0
    try:
        published = (await probe.ask(context, "GET", "/openapi.json")).body
        if not isinstance(published, dict) or not published.get("paths"):
            return failed("the running platform publishes no schema")
        document, every = Document(published), cases(published)
        async with probe.temporary(context, probe.EVERYTHING) as issued:
            how: dict[str, Any] = {"key": secret(issued), "source": probe.fresh_source(context)}
            for case in draw(every, seed):
                heard = await probe.ask(context, case.method, case.path + case.query, body=case.body, **how)
                if heard.status == 429:
                    continue  # the workspace's own rate says nothing about a schema
                asked += 1
                if why := amiss(document, case, heard):
                    asked_for = f"{case.method} {case.path} ({case.what or 'a sound request'})"
                    wrong.append(f"{asked_for} answered {heard.status}, {why}")
    except NotThere as e:
        return failed(str(e))
    if wrong:
        return failed(f"seed {seed}: " + "; ".join(wrong[:5]))
    return passed(
        f"{asked} of {len(every)} questions made from the published schema (seed {seed}): each fault was refused, no "
        "answer was a fault of ours, each is documented"
    )
