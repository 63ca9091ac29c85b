"""Facts as the pages and their JSON say them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from mailward.core.availability.model import NOT_RUNNING, SERVICES
from mailward.edges.web.trust.ports import Availability

_EPOCH = date(1970, 1, 1)
_WORDS = {
    "proved": "Proved",
    "partly_proved": "Partly proved",
    "failing": "Failing",
    "not_configured": "Not configured",
    "operator_duty": "Operator's duty",
    "planned": "Planned",
    "not_reached": "Not reached",
}
_DOORS = {"api": "sending by API", "submission": "submission", "mx": "receiving", NOT_RUNNING: "everything"}


def state_words(state: str) -> str:
    """A state for people."""
    return _WORDS.get(state, state)


def when(value: Any) -> str:
    """A moment for people, in UTC; "" for none."""
    if not value:
        return ""
    moment = datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def minute_text(minute: int) -> str:
    """A minute since 1970 as RFC 3339."""
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%MZ")


def day_rows(a: Availability) -> list[dict[str, str]]:
    """Days, newest first, each with its share and how it went in words (never in colour alone)."""
    rows = []
    for d in reversed(a.days):
        bad = d.measured - d.good
        level = "good" if not bad else "fair" if bad <= d.measured * 10 * (1 - a.target) else "bad"
        rows.append(
            {
                "day": (_EPOCH + timedelta(days=d.day)).isoformat(),
                "share": f"{d.good / d.measured:.2%}" if d.measured else "",
                "bad": str(bad),
                "measured": str(d.measured),
                "level": level,
                **{name: f"{getattr(d, name) / d.measured:.2%}" if d.measured else "" for name in SERVICES},
            }
        )
    return rows


def doors_words(services: str) -> str:
    """Doors by what people use them for."""
    return ", ".join(_DOORS.get(name, name) for name in services.split(",") if name)


def status_document(a: Availability) -> dict[str, Any]:
    """What /status.json says: shares are of minutes measured, times are UTC."""
    m = a.month
    state = "not_measured" if not a.measured else "outage" if a.failing else "operational"
    return {
        "v": 1,
        "state": state,
        "failing": doors_words(a.failing),
        "indicator": "minutes in which API send, submission and MX each answered a probe within its limit",
        "target": a.target,
        "month": {
            "share": m.share,
            "minutes": m.minutes,
            "measured": m.measured,
            "budget_minutes": round(m.allowed, 1),
            "spent_minutes": m.spent,
            "left_minutes": round(m.left, 1),
        },
        "alerts": list(a.burning),
        "days": day_rows(a),
        "outages": [
            {"began": minute_text(o.began), "until": minute_text(o.until), "doors": doors_words(o.services)}
            for o in reversed(a.outages)
        ],
        "incidents": [
            {
                "id": p.id,
                "title": p.title,
                "at": when(p.at),
                "ended": when(p.ended),
                "updates": [{"at": when(at), "text": text} for at, text in p.updates],
            }
            for p in a.posts
        ],
    }
