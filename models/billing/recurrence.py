"""Periods of a recurring fee and what each of them costs, in exact fractions.

Plain Python. A fee has a price for one whole period of a grid (a month, a quarter or a year, counted from an anchor). A
part of a period costs its days over the days that this very period has, so February and leap years are right. Parts are
rounded so that they add up: a part is the rounded sum up to its last day less the rounded sum up to the day before its
first, so the parts of a period always come to what the whole of it costs.
"""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

MONTHS = {"month": 1, "quarter": 3, "year": 12}
DAY = timedelta(days=1)


class Period(NamedTuple):
    """Days from ``start`` to ``end``, both included."""

    start: date
    end: date

    @property
    def days(self):
        return (self.end - self.start).days + 1

    def cut(self, start, end):
        """Return the part between two dates (None: open), or None when nothing is left."""
        first = max(self.start, start or self.start)
        last = min(self.end, end or self.end)
        return Period(first, last) if first <= last else None


class Terms(NamedTuple):
    """How a line is charged by the period.

    :param months: length of a period
    :param anchor: a day on which a period starts; the grid goes both ways from it
    :param start, end: first and last day of the service (end None: open)
    :param prices: ``[(first day or None, Fraction)]`` price of one whole period, latest first
    :param pauses: ``[(first day, last day or None)]`` that are not charged
    """

    months: int
    anchor: date
    start: date
    end: date | None
    prices: list
    pauses: list

    # === THE GRID === #
    def period_of(self, day):
        """Return the whole period of the grid that ``day`` is in.

        Every start is counted from the anchor, so that a grid that starts on the 31st keeps to the ends of months.
        """
        months = (day.year - self.anchor.year) * 12 + day.month - self.anchor.month
        index = months // self.months
        if self._start_of(index) > day:
            index -= 1
        elif self._start_of(index + 1) <= day:
            index += 1
        return Period(self._start_of(index), self._start_of(index + 1) - DAY)

    def _start_of(self, index):
        return self.anchor + relativedelta(months=index * self.months)

    def periods(self):
        """Yield ``(whole period, its part within the service)`` from the start on, without end if the service has none.
        """
        whole = self.period_of(self.start)
        while part := whole.cut(self.start, self.end):
            yield whole, part
            whole = self.period_of(whole.end + DAY)

    # === MONEY === #
    def worth(self, whole, first, last):
        """Return the exact price of the days ``first`` to ``last`` of a whole period, a Fraction."""
        service = Period(first, last).cut(self.start, self.end) if first <= last else None
        if not service:
            return Fraction(0)
        total, until = Fraction(0), service.end
        for valid_from, price in self.prices:
            part = Period(service.start, until).cut(valid_from, None) if service.start <= until else None
            if part:
                total += price * self.active_days(part)
                until = part.start - DAY
        return total / whole.days

    def share(self, whole, first, last):
        """Return the part of a whole period that is charged for these days, a Fraction between 0 and 1."""
        service = Period(first, last).cut(self.start, self.end) if first <= last else None
        return Fraction(self.active_days(service), whole.days) if service else Fraction(0)

    def active_days(self, period):
        """Return the number of days of ``period`` that no pause takes out."""
        days, after = period.days, period.start
        for first, last in sorted(self.pauses):
            pause = Period(after, period.end).cut(first, last) if after <= period.end else None
            if pause:
                days -= pause.days
                after = pause.end + DAY
        return days

    def prices_in(self, part):
        """Return ``[(first day within the part, price of a whole period)]`` in force there, earliest first."""
        found = []
        for valid_from, price in self.prices:
            if valid_from is None or valid_from <= part.end:
                found.insert(0, (max(valid_from or part.start, part.start), price))
                if valid_from is None or valid_from <= part.start:
                    break
        return found


def prorate(exact, whole, part, rounded):
    """Return what ``part`` of ``whole`` comes to, so that the parts of a whole always add up to it.

    :param exact: function of (whole, first day, last day) that returns an exact Fraction
    :param rounded: function that rounds a Decimal
    """
    return (
        rounded(decimal_from(exact(whole, whole.start, part.end)))
        - rounded(decimal_from(exact(whole, whole.start, part.start - DAY)))
    )


def decimal_from(fraction):
    """Return a Fraction as a Decimal of 28 digits: ties of a currency's unit are exact."""
    return Decimal(fraction.numerator) / Decimal(fraction.denominator)
