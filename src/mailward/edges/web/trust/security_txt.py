"""`/.well-known/security.txt` (RFC 9116): made anew at each request, so it is never older than its readers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mailward.core.registers.model import Profile

_DAYS = 180
"""Less than the year beyond which section 2.5.5 advises against."""


def security_txt(profile: Profile, base: str, now: datetime) -> str:
    """The file. `base` is the public URL; Contact lists the address, if there is one, before the form."""
    expires = (now.astimezone(UTC) + timedelta(days=_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = []
    if "@" in profile.security_contact:
        lines.append(f"Contact: mailto:{profile.security_contact}")
    lines.append(f"Contact: {base}/report")
    lines.append(f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}")
    if profile.openpgp_key:
        lines.append(f"Encryption: {base}/disclosure/key.asc")
    lines += [
        f"Acknowledgments: {base}/disclosure#thanks",
        f"Preferred-Languages: {profile.languages or 'en'}",
        f"Canonical: {base}/.well-known/security.txt",
        f"Policy: {base}/disclosure",
    ]
    return "\n".join(lines) + "\n"
