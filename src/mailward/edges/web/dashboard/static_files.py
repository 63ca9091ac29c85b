"""Style, script and images, read once and served from memory under names that change with their content."""

from __future__ import annotations

import hashlib
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def static_url(name: str) -> str:
    """Path of one file with the hash of its content, as `StaticFiles` serves it."""
    content = (resources.files("mailward.edges.web.dashboard") / "static" / name).read_bytes()
    return f"/static/{name}?v={_digest(content)}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


class StaticFiles:
    """The folder `static`, in memory."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, str, str]] = {}
        root = resources.files("mailward.edges.web.dashboard") / "static"
        for folder, prefix in ((root, ""), (root / "vendor", "vendor/")):
            for item in folder.iterdir():
                kind = _TYPES.get(item.name.rpartition(".")[2])
                if kind is not None and item.is_file():
                    content = item.read_bytes()
                    self._files[prefix + item.name] = (content, kind, _digest(content))

    def url(self, name: str) -> str:
        """Path of a file with the hash of its content."""
        return f"/static/{name}?v={self._files[name][2]}"

    async def serve(self, request: Request) -> Response:
        """One file; cacheable for a year when asked for by its hash."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return Response("Not found", 404, media_type="text/plain")
        content, kind, digest = found
        known = request.query_params.get("v") == digest
        cache = "public, max-age=31536000, immutable" if known else "no-cache"
        headers = {"cache-control": cache, "x-content-type-options": "nosniff", "content-type": kind}
        headers["cross-origin-resource-policy"] = "same-origin"
        return Response(content, headers=headers)
