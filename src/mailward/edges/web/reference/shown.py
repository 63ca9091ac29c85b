"""The OpenAPI document, cut into what a page shows: subjects, operations, parameters, types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mailward.edges.web.catalogue import CATALOGUE
from mailward.edges.web.reference import samples

Json = dict[str, Any]
Words = list[tuple[str, str]]
"""A type in words: (text, anchor or "") in turn."""
_LIMITS = (
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {}"),
    ("maxItems", "at most {}"),
    ("minimum", "from {}"),
    ("maximum", "to {}"),
    ("pattern", "matching {}"),
)


def words(schema: Json) -> Words:
    """`list of Attachment, or null`, with a link where a type is named."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return [(name, f"#type-{name}")]
    if "anyOf" in schema:
        found: Words = []
        for i, inner in enumerate(schema["anyOf"]):
            found += [(" or ", "")] if i else []
            found += words(inner)
        return found
    if "enum" in schema:
        return [(" | ".join(str(v) for v in schema["enum"]), "")]
    match schema.get("type"):
        case "array":
            return [("list of ", ""), *words(schema["items"])]
        case "object":
            more = schema.get("additionalProperties")
            return [("map to ", ""), *words(more)] if isinstance(more, dict) and more else [("object", "")]
        case "string" if "format" in schema:
            return [(schema["format"], "")]
        case "string" if "contentEncoding" in schema:
            return [(f"string in {schema['contentEncoding']}", "")]
        case str(name):
            return [(name, "")]
        case _:
            return [("anything", "")]


def _said(schema: Json) -> str:
    """What else a schema says of a value: description, limits, default."""
    plain = dict(schema)
    for inner in schema.get("anyOf", ()):
        if inner.get("type") != "null":
            plain = {**inner, **plain}
    parts = [plain["description"]] if plain.get("description") else []
    limits = [text.format(plain[key]) for key, text in _LIMITS if key in plain]
    if plain.get("default") not in (None, [], {}, ""):
        limits.append(
            f"default {str(plain['default']).lower() if plain['default'] in (True, False) else plain['default']}"
        )
    if limits:
        told = ", ".join(limits)
        parts.append(told[0].upper() + told[1:] + ".")
    return " ".join(parts)


def _field(name: str, schema: Json, required: bool) -> Json:
    return {"name": name, "type": words(schema), "required": required, "said": _said(schema)}


def _named(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(ref)} if "/schemas/" in ref:
            yield ref.rsplit("/", 1)[1]
        case dict():
            for inner in value.values():
                yield from _named(inner)
        case list():
            for inner in value:
                yield from _named(inner)


def _types(operations: list[Json], schemas: Json) -> list[Json]:
    """Every type these operations name, and those inside them, by name."""
    seen: set[str] = set()
    waiting = list(_named(operations))
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _named(schemas[name])
    return [
        {
            "name": name,
            "said": schemas[name].get("description", ""),
            "fields": [
                _field(key, inner, key in schemas[name].get("required", []))
                for key, inner in schemas[name]["properties"].items()
            ],
        }
        for name in sorted(seen)
    ]


def _operation(method: str, path: str, op: Json, schemas: Json, base: str) -> Json:
    given = samples.body(op, schemas)
    content = op.get("requestBody", {}).get("content", {})
    answers, refusals = [], []
    for status, answer in op["responses"].items():
        if "$ref" in answer:
            refusals.append(status)
            continue
        named = [(media, words(told["schema"])) for media, told in answer.get("content", {}).items()]
        answers.append({"status": status, "said": answer["description"], "content": named})
    return {
        "id": op["operationId"],
        "method": method,
        "path": path,
        "summary": op["summary"],
        "description": op.get("description", ""),
        "public": not op["security"],
        "parameters": [
            {**_field(p["name"], p["schema"], p["required"]), "where": p["in"]}
            | ({"said": f"{p['description']} {_said(p['schema'])}".strip()} if "description" in p else {})
            for p in op["parameters"]
        ],
        "body": [(media, words(told["schema"])) for media, told in content.items()],
        "answers": answers,
        "refusals": refusals,
        "codes": [(code, *CATALOGUE[code]) for code in op.get("x-problem-codes", ())],
        "examples": [
            ("curl", samples.curl(base, method, path, op, given)),
            ("Python", samples.python(base, op, given)),
            ("Node", samples.node(base, method, path, op, given)),
        ],
    }


def subjects(document: Json, base: str) -> dict[str, Json]:
    """A page's facts by tag: its operations in the order of the document, and the types they name."""
    schemas = document["components"]["schemas"]
    found: dict[str, Json] = {}
    for tag in (t["name"] for t in document["tags"]):
        mine = [
            (method.upper(), path, op)
            for path, methods in document["paths"].items()
            for method, op in methods.items()
            if tag in op["tags"]
        ]
        found[tag] = {
            "title": title(tag),
            "operations": [_operation(method, path, op, schemas, base) for method, path, op in mine],
            "types": _types([op for _, _, op in mine], schemas),
        }
    return found


def title(tag: str) -> str:
    """A tag as a heading."""
    return {"smtp-credentials": "SMTP credentials", "access": "Operators' access"}.get(tag) or tag.replace(
        "-", " "
    ).capitalize()
