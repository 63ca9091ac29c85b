"""SUPPLY-1: what the last scan for advisories found, how old it is, and whether it was about what runs now."""

from __future__ import annotations

from datetime import timedelta

from mailward.app.bill import at_hand
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.kept_scan import NAME, read
from mailward.core.evidence.model import Finding, failed, not_configured, passed

# The timer runs daily, at an hour of six that it draws; one day may fall out.
_OLDEST = timedelta(hours=54)
_AHEAD = timedelta(minutes=10)


@check("SUPPLY-1")
async def no_advisory_is_known(context: Context) -> Finding:
    """The last scan for advisories, as kept: none concerns a version that runs now, it is of these days, and it was
    asked about every version that runs."""
    now = context.clock.now()
    try:
        scan = read(context.settings.data / NAME)
    except (OSError, ValueError) as e:
        return failed(f"the kept scan for advisories cannot be read ({type(e).__name__})")
    if scan is None or scan.at is None:
        silent = f" (the last try: {scan.silent})" if scan is not None else ""
        return not_configured(f"no scan for advisories was kept{silent}: see mailward-advisories.timer")
    running = {f"{name}@{version}" for name, (version, _) in at_hand().items()}
    if known := sorted(set(scan.known) & running):
        told = ", ".join(f"{what} ({' '.join(scan.known[what][:3])})" for what in known[:5])
        return failed(f"advisories concern {len(known)} of the versions that run: {told}")
    age = now - scan.at
    hours = round(age.total_seconds() / 3600)
    if not -_AHEAD <= age <= _OLDEST:
        return not_configured(f"the last scan for advisories is {hours} hours old")
    if scan.silent:
        return not_configured(f"the newest scan reached nobody ({scan.silent}); {hours} hours ago nothing was known")
    if unasked := running - set(scan.asked):
        return not_configured(f"{len(unasked)} of {len(running)} versions that run were not in the last scan")
    return passed(f"{hours} hours ago no advisory was known about the {len(running)} versions that run")
