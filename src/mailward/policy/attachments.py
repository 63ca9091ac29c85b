"""May a message carry these files? By how many there are, and by the endings a desktop would run on a click.

Mailbox providers refuse the same endings; refused here, the sender learns it at once and
the platform's addresses keep their name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

from mailward.policy.decision import Allow, Decision, Refuse
from mailward.protocol.message import words

MOST = 100

# What the large mailbox providers refuse: programs, scripts, installers, shortcuts and disk images for Windows.
PROGRAMS = (
    *("ade", "adp", "apk", "appx", "appxbundle", "bat", "cab", "chm", "cmd", "com", "cpl", "dll", "dmg", "exe"),
    *("hta", "ins", "iso", "isp", "jar", "js", "jse", "lib", "lnk", "mde", "msc", "msi", "msix", "msixbundle"),
    *("msp", "mst", "pif", "ps1", "scr", "sct", "shb", "sys", "vb", "vbe", "vbs", "vhd", "vxd", "wsc", "wsf", "wsh"),
)

ALLOW = Allow()
# Marks of direction and joiners; controls; variation selectors are marks (Mn), as accents of a name are, and stay.
_UNSEEN = frozenset(("Cf", "Cc"))


def decide(names: Sequence[str], refused: Collection[str]) -> Decision:
    """`refused` are endings in lower case without their dot."""
    if len(names) > MOST:
        return Refuse("too_many_attachments", f"A message may have {MOST} attachments.")
    for name in names:
        # Some readers take an encoded word for what it stands for wherever it is.
        for form in (name, words.decode(name.encode("utf-8", "replace"))) if "=?" in name else (name,):
            ending = ending_of(form)
            if ending in refused:
                return Refuse(
                    "attachment_type_refused",
                    f"Files that end with .{ending} are not taken as attachments; receivers refuse them, too.",
                )
    return ALLOW


def ending_of(name: str) -> str:
    """The ending as Windows sees it: dots and blanks behind it do not count, nor does a stream's name.

    And as people see it: what has no width is not there, and wide letters are the letters they look like.
    """
    if not name.isascii():
        name = unicodedata.normalize("NFKC", "".join(c for c in name if unicodedata.category(c) not in _UNSEEN))
    bare = name.partition("::")[0].rstrip(". \t\r\n\u00a0").lower()
    return bare.rpartition(".")[2].strip() if "." in bare else ""
