"""Business days: Monday to Friday in UTC, without the days an operator lists as holidays."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta


def is_business(day: date, holidays: Collection[date] = ()) -> bool:
    """Whether people work on this day."""
    return day.weekday() < 5 and day not in holidays


def after_business_days(moment: datetime, days: int, holidays: Collection[date] = ()) -> datetime:
    """The same time of day that many business days later.

    What comes on a day off counts as if it had come at the first instant of the next business day.
    """
    if not is_business(moment.date(), holidays):
        moment = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        while not is_business(moment.date(), holidays):
            moment += timedelta(days=1)
    for _ in range(days):
        moment += timedelta(days=1)
        while not is_business(moment.date(), holidays):
            moment += timedelta(days=1)
    return moment
