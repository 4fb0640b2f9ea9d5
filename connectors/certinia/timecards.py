"""A timecard split as days: one ``time`` record for each day that carries hours.

A split holds the hours of one week (or of the part of it in one period) in seven fields. Each day with hours becomes
one part, ``<split id>:<date>``; a day that loses its hours in a later version is no part any more, and the engine takes
it back. The split's amount is shared out over the days by their hours, as evidence: it sums to the split's amount to
the cent.
"""

from datetime import date, timedelta
from decimal import Decimal

from ..base import Part
from ..errors import DataError
from ..money import distribute, smallest_unit
from .streams import DAY, DAYS, HEADER

_HUNDREDTH = Decimal("0.01")
#: Key under which the reader leaves the connection's setting in the record.
HOURS_PER_DAY = "psa_hours_per_day"


def _decimal(value):
    return Decimal(0) if value in (None, "") else Decimal(str(value))


def _day(raw, name):
    try:
        return date.fromisoformat(raw[name])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"The timecard has no readable {'start' if 'Start' in name else 'end'} date",
                        "timecard_dates") from error


def _hours(raw, span):
    """Return the hours of each date in ``span``.

    :raise DataError: logged in days, and nothing says how many hours a day has
    """
    hours = [_decimal(raw.get(f"pse__{DAYS[day.weekday()]}_Hours__c")) for day in span]
    if any(hours):
        return hours
    total_hours = _decimal(raw.get("pse__Total_Hours__c"))
    total_days = _decimal(raw.get("pse__Total_Days_Worked__c"))
    header = raw.get(HEADER) or {}
    days = [_decimal(header.get(f"pse__{DAYS[day.weekday()]}_Days__c")) for day in span]
    if any(days):
        if total_hours:
            return distribute(total_hours, days, _HUNDREDTH)
        if raw.get(HOURS_PER_DAY):
            return [count * Decimal(str(raw[HOURS_PER_DAY])) for count in days]
        raise DataError("The timecard is logged in days and states no hours: enter the hours in a day in the "
                        "connection's settings", "timecard_days")
    if total_hours or total_days:
        raise DataError(f"The timecard has {total_hours or total_days} {'hours' if total_hours else 'days'} but names "
                        "no day", "timecard_total")
    return hours


def _weights(raw, span, hours):
    """Return what the amount is shared by: hours, or their value where each day has a rate of its own."""
    header = raw.get(HEADER) or {}
    if header.get("pse__Dated_Bill_Rates_Apply__c") is True:
        rates = [_decimal(header.get(f"pse__{DAYS[day.weekday()]}_Bill_Rate__c")) for day in span]
        worth = [rate * count for rate, count in zip(rates, hours, strict=True)]
        if any(worth):
            return worth
    return hours


def split_days(raw, external_id):
    """Return the parts of a split.

    :raise DataError: the record contradicts itself (no dates, an amount without hours)
    """
    start, end = _day(raw, "pse__Start_Date__c"), _day(raw, "pse__End_Date__c")
    if not start <= end <= start + timedelta(days=6):
        raise DataError(f"The timecard runs from {start} to {end}; a timecard covers one week", "timecard_dates")
    span = [start + timedelta(days=offset) for offset in range((end - start).days + 1)]
    hours = _hours(raw, span)
    amounts = [None] * len(span)
    if raw.get("pse__Total_Billable_Amount__c") is not None:
        total = _decimal(raw["pse__Total_Billable_Amount__c"])
        try:
            amounts = distribute(total, _weights(raw, span, hours), smallest_unit(raw.get("CurrencyIsoCode")))
        except ValueError as error:
            raise DataError(f"The timecard has an amount of {total} and no hours", "timecard_amount") from error
    return [
        Part(DAY, f"{external_id}:{day.isoformat()}", "time", {**raw, "day": {
            "date": day.isoformat(), "hours": count, "amount": amount,
            "notes": raw.get(f"pse__{DAYS[day.weekday()]}_Notes__c")}})
        for day, count, amount in zip(span, hours, amounts, strict=True) if count]


def worked_days(raw):
    """Return the ISO dates of a split that carry hours (or days)."""
    return {part.raw["day"]["date"] for part in split_days(raw, raw.get("Id") or "")}
