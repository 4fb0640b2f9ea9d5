from collections import defaultdict
from datetime import datetime, time, timedelta

from odoo import api, fields, models


class Calendar:
    """What one company's closing calendar and Odoo's lock dates say about a day. Plain Python."""

    def __init__(self, lock_day, periods):
        """:param periods: list of ``(start, end, closing id, {connection id: cut-off}, fallback cut-off)``, sorted"""
        self.lock_day = lock_day
        self.periods = periods

    def late(self, day, arrived_at, connection_id, is_new):
        """Tell why work of ``day`` is late, or None.

        :param arrived_at: when it was approved
        :param is_new: it arrives only now; what was there before Odoo's books were locked was in time
        :return: ``("cutoff", closing id)``, ``("locked", closing id or None)`` or None
        """
        period = next((period for period in self.periods if period[0] <= day <= period[1]), None)
        if period and arrived_at > period[3].get(connection_id, period[4]):
            return "cutoff", period[2]
        if is_new and self.is_locked(day):
            return "locked", period and period[2]
        return None

    def is_locked(self, day):
        return bool(self.lock_day and day <= self.lock_day)

    def first_open_day(self, day):
        """Return the first day from ``day`` on that is neither locked nor in a period that is closing or closed."""
        if self.is_locked(day):
            day = self.lock_day + timedelta(days=1)
        for start, end, *_rest in self.periods:
            if start <= day <= end:
                day = end + timedelta(days=1)
        return day


class PsaClosing(models.Model):
    """The calendar as the other parts read it."""

    _inherit = "psa.closing"

    @api.model
    def _calendars(self, companies, since=None):
        """Return ``{company id: Calendar}``; two queries for any number of companies and periods.

        :param since: leave out periods that ended before this date
        """
        domain = [("company_id", "in", companies.ids), ("state", "!=", "open")]
        if since:
            domain.append(("period_end", ">=", since))
        closings = self.sudo().search(domain, order="period_start")
        cutoffs = defaultdict(dict)
        for cutoff in closings.cutoff_ids:
            cutoffs[cutoff.closing_id.id][cutoff.connection_id.id] = cutoff.cutoff_at
        periods = defaultdict(list)
        for closing in closings:
            own = cutoffs[closing.id]
            fallback = own.pop(False, None) or closing.closing_at
            periods[closing.company_id.id].append(
                (closing.period_start, closing.period_end, closing.id, own, fallback))
        return {company.id: Calendar(company._psa_lock_day(), periods[company.id]) for company in companies}

    def _first_cutoff(self):
        """Return the moment before which nothing of this period can have been late."""
        self.ensure_one()
        return min([*self.cutoff_ids.mapped("cutoff_at"), self.closing_at or fields.Datetime.now()])

    def _last_moment(self):
        """Return the last moment that belongs to this period: its end, or its last cut-off."""
        end = datetime.combine(self.period_end, time.max).replace(microsecond=0)
        return max([end, *self.cutoff_ids.mapped("cutoff_at")])
