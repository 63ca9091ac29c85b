"""The OpenAPI 3.1 document, made from the same table and types that serve the requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from mailward import __version__
from mailward.edges.web.catalogue import CATALOGUE
from mailward.edges.web.problems import CONTENT_TYPE, TITLES
from mailward.edges.web.routes import JSON, Operation
from mailward.edges.web.schema.common import Problem
from mailward.policy.access import Public

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)}")
ID_PREFIXES = {
    "message": "msg",
    "domain": "dom",
    "key": "key",
    "credential": "smtp",
    "webhook": "whk",
    "event": "evt",
    "replay": "rpl",
    "role": "role",
    "alert": "alr",
}
_EVERY = (400, 422, 429, 431, 500, 503)
_WITH_CREDENTIAL = (401, 403)
_WITH_BODY = (408, 411, 413, 415)

_HEADERS: dict[str, Any] = {
    "X-Request-Id": {"description": "Quote it when you ask about a request.", "schema": {"type": "string"}},
    "RateLimit": {
        "description": "What is left now and when it is whole again (IETF draft, structured field).",
        "schema": {"type": "string", "examples": ['"read";r=99;t=1']},
    },
    "RateLimit-Policy": {
        "description": "Quota and window in seconds.",
        "schema": {"type": "string", "examples": ['"read";q=6000;w=60']},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
}

DESCRIPTION = """Send mail, see what became of it and why.

Every answer carries `X-Request-Id`. Errors are `application/problem+json` with a stable `code`; each code is
explained at `/problems/{code}`. Unknown fields and parameters are refused. Lists are read page by page with
`cursor`. Sending takes an `Idempotency-Key`: for 24 hours the same key with the same body gives the same
answer, whatever has changed meanwhile, and counts against no limit of messages; with another body, or at another path,
it is 409. Only what was accepted is kept: a request that was refused whole may be sent again under its key.
"""


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document as JSON values."""
    types: list[Any] = [Problem]
    for op in operations:
        types += [t for t in (op.request, op.response, *(t for _, t in op.answers)) if t is not None and t not in types]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    paths: dict[str, Any] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op)
    statuses = sorted({s for op in operations for s in _refusals(op)})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mailward",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(op.tag for op in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": _HEADERS,
            "responses": {f"Problem{status}": _problem(status) for status in statuses},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "basic": {"type": "http", "scheme": "basic", "description": "User `api`, password: an API key."},
            },
        },
    }


def _operation(op: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": op.name,
        "tags": [op.tag],
        "summary": op.summary,
        "parameters": _path_parameters(op) + _query_parameters(op) + _header_parameters(op),
        "responses": _responses(op),
        "security": [] if isinstance(op.permission, Public) else [{"bearer": []}, {"basic": []}],
    }
    told["description"] = " ".join(filter(None, (op.description, _permission(op))))
    if op.errors:
        told["x-problem-codes"] = sorted(op.errors)
    if op.takes_body:
        told["requestBody"] = {"required": True, "content": _request_content(op)}
    return told


def _permission(op: Operation) -> str:
    return "" if isinstance(op.permission, Public) else f"Needs the permission `{op.permission.value}`."


def _request_content(op: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if op.request is not None:
        content[JSON] = {"schema": {"$ref": _REF.format(name=op.request.__name__)}}
        if op.example is not None:
            content[JSON]["example"] = op.example
    for media in op.raw_media:
        content[media] = {"schema": {"type": "string", "minLength": 1}}
    return content


def _path_parameters(op: Operation) -> list[dict[str, Any]]:
    told = []
    for name in _PARAMETER.findall(op.path):
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 64}
        if name in ID_PREFIXES:
            schema = {"type": "string", "pattern": f"^{ID_PREFIXES[name]}_[0-9a-hjkmnp-tv-z]{{26}}$"}
        told.append({"name": name, "in": "path", "required": True, "schema": schema})
    return told


def _query_parameters(op: Operation) -> list[dict[str, Any]]:
    root = msgspec.json.schema(op.query)
    schema = root["$defs"][op.query.__name__]
    told = []
    for name, field in schema["properties"].items():
        field = dict(field)
        kept = [kind for kind in field.pop("anyOf", [field]) if kind.get("type") != "null"]
        plain = {**field, **kept[0]}
        if plain.get("default", "") is None:
            del plain["default"]
        if "enum" in plain:
            plain["enum"] = [value for value in plain["enum"] if value is not None]
            plain["type"] = "string"
        parameter = {"name": name, "in": "query", "required": name in schema["required"], "schema": plain}
        if "description" in plain:
            parameter["description"] = plain.pop("description")
        if "example" in plain:
            parameter["example"] = plain.pop("example")
        told.append(parameter)
    return told


def _header_parameters(op: Operation) -> list[dict[str, Any]]:
    told = []
    if op.idempotent:
        told.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Up to 255 visible ASCII characters; kept for 24 hours.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            }
        )
    for name, description in op.request_headers:
        told.append(
            {
                "name": name,
                "in": "header",
                "required": False,
                "description": description,
                "schema": {"type": "string", "maxLength": 4000},
            }
        )
    return told


def _refusals(op: Operation) -> list[int]:
    statuses = {*_EVERY, *(CATALOGUE[code][0] for code in op.errors)}
    if not isinstance(op.permission, Public):
        statuses.update(_WITH_CREDENTIAL)
    if op.takes_body:
        statuses.update(_WITH_BODY)
    if _PARAMETER.search(op.path):
        statuses.add(404)
    return sorted(statuses - {op.status})


def _responses(op: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {str(op.status): _success(op.response, op.response_media.partition(";")[0])}
    for status in _refusals(op):
        told[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    for status, answer in op.answers:
        plain = _success(answer, JSON)
        if str(status) in told:  # a refusal that also comes with results
            plain["content"] |= _problem(status)["content"]
        told[str(status)] = plain
    return told


def _success(answer: type[msgspec.Struct] | None, media: str) -> dict[str, Any]:
    told: dict[str, Any] = {"description": (answer.__doc__ if answer else None) or "Done.", "headers": _header_refs()}
    if answer is not None:
        told["content"] = {media: {"schema": {"$ref": _REF.format(name=answer.__name__)}}}
    elif media != JSON:
        told["content"] = {media: {"schema": {"type": "string"}}}
    return told


def _header_refs(*more: str) -> dict[str, Any]:
    names = ("X-Request-Id", "RateLimit", "RateLimit-Policy", *more)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problem(status: int) -> dict[str, Any]:
    codes = [code for code, (listed, _) in CATALOGUE.items() if listed == status]
    return {
        "description": f"{TITLES[status]}. Codes: {', '.join(codes)}." if codes else f"{TITLES[status]}.",
        "headers": _header_refs("Retry-After") if status in (429, 503) else _header_refs(),
        "content": {CONTENT_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
    }
