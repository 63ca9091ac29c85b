"""A stranger's file name made safe to show, to save and to put into an archive."""

from __future__ import annotations

import re
import unicodedata

MAX_BYTES = 200
FALLBACK = "attachment"

_SEPARATORS = re.compile(r"[/\\\u2044\u2215\u29f8\u29f9\uff0f\uff3c]")
# Characters Windows refuses or a shell, a header or an HTML page would read as something else.
_REFUSED = re.compile(r'[<>:"|?*]')
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)")


def safe(name: str) -> str:
    """The last path component without controls, direction overrides, reserved names; at most 200 bytes, never empty."""
    name = _SEPARATORS.split(name[:4096])[-1]
    # Categories C*: controls, format characters (right-to-left override among them), surrogates, unassigned.
    name = "".join("_" if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c for c in name)
    name = _REFUSED.sub("_", name).strip(" .")
    if _DEVICES.match(name):
        name = "_" + name
    if len(name.encode("utf-8")) > MAX_BYTES:
        stem, dot, extension = name.rpartition(".")
        keep = extension if dot and 0 < len(extension) <= 16 and extension.isascii() else ""
        room = MAX_BYTES - len(keep) - 1
        cut = (stem if keep else name).encode("utf-8")[:room].decode("utf-8", "ignore")
        name = f"{cut}.{keep}" if keep else cut
    return name or FALLBACK
