from odoo import fields, models

from .company import LATE_POLICIES

DECIDED = [*LATE_POLICIES, ("in_time", "Bill in Its Own Period"), ("chosen", "Bill in a Chosen Period")]
_EMPTY = {
    "late_policy": False, "late_cause": False, "late_closing_id": False, "late_since": False, "late_period": False,
    "late_decided_by_id": False,
}


class PsaEntry(models.Model):
    """Work that arrives after its period was closed: listed, and billed, accrued or asked about by rule. No error."""

    _inherit = "psa.entry"

    # === FIELDS === #
    late_policy = fields.Selection(DECIDED, "Late Work", readonly=True, index="btree_not_null")
    late_cause = fields.Selection(
        [("cutoff", "After the Cut-off"), ("locked", "Books Locked")], "Why Late", readonly=True)
    late_closing_id = fields.Many2one(
        "psa.closing", "Late for", readonly=True, index="btree_not_null", ondelete="restrict")
    late_since = fields.Datetime("Arrived Late", readonly=True)
    late_period = fields.Date(
        "Bill From", readonly=True, help="First day of the period that bills it; proposals that end before leave it.")
    late_decided_by_id = fields.Many2one("res.users", "Late Work Decided By", readonly=True, ondelete="restrict")

    # === DECIDING === #
    def _decide(self, rows):
        self._find_late(rows)
        return super()._decide(rows)

    def _find_late(self, rows):
        """Set ``row["late"]``: the late fields of each row that is approved, as values (empty: in time).

        An entry keeps what was decided when it arrived. Constant number of queries.
        """
        candidates = []
        for row in rows:
            entry = row["entry"]
            row["is_new"] = not entry
            row["late"] = entry._late_values() if entry and row["approved"] else dict(_EMPTY)
            if row["approved"] and not row["deleted"] and not row["late"]["late_policy"] and not self._is_billed(row):
                candidates.append(row)
        if not candidates:
            return
        companies = self.env["res.company"].browse({row["company_id"] for row in candidates}).sudo()
        calendars = self.env["psa.closing"]._calendars(companies, min(row["work_date"] for row in candidates))
        sources = {}
        if any(calendar.periods for calendar in calendars.values()):
            messages = self.env["psa.message"].sudo().browse(
                {row["message_id"] for row in candidates if row["message_id"]})
            sources = {message.id: message.connection_id.id for message in messages}
        now = fields.Datetime.now()
        for row in candidates:
            calendar, entry = calendars[row["company_id"]], row["entry"]
            arrived = entry.approved_at if entry and entry.approved_at else None
            late = calendar.late(row["work_date"], arrived or now, sources.get(row["message_id"]), not arrived)
            if late:
                row["late"] = self._late_by_rule(row, calendar, late, arrived or now)

    def _late_by_rule(self, row, calendar, late, arrived):
        """Return the late values of a row, by the rule of its contract, else its company."""
        cause, closing_id = late
        order = self.env["sale.order"].browse(row["order_id"])
        company = self.env["res.company"].browse(row["company_id"])
        policy = order.psa_late_policy or company.psa_late_policy
        if policy == "accrue" and (calendar.is_locked(row["work_date"]) or not closing_id):
            # The books are locked: the revenue can only fall into the period that bills it.
            policy = "next_period"
        elif policy == "accrue" and not company._psa_can_accrue():
            policy = "ask"
        return {
            **_EMPTY,
            "late_policy": policy,
            "late_cause": cause,
            "late_closing_id": closing_id or False,
            "late_since": arrived,
            "late_period": False if policy == "ask" else calendar.first_open_day(row["work_date"]),
        }

    def _late_values(self):
        return {name: self[name].id if name.endswith("_id") else self[name] for name in _EMPTY}

    def _hold_by_terms(self, rows):
        result = super()._hold_by_terms(rows)
        for row in rows:
            if row["state"] == "approved" and row["late"]["late_policy"] == "ask":
                row["state"], row["reason"] = "held", "late_arrival"
        return result

    def _held_late_arrival(self, row):
        order, late = self._order_of(row), row["late"]
        closing = self.env["psa.closing"].browse(late["late_closing_id"] or 0)
        subject = f"late:{order.id}:{closing.id or row['work_date'].strftime('%Y-%m')}"
        return subject, self.env._(
            "Work of %(period)s on %(contract)s of %(customer)s arrived after the period was closed",
            period=closing.name or f"{row['work_date']:%Y-%m}", contract=order.name, customer=order.partner_id.name,
        )

    def _values(self, row, exceptions, now):
        values = super()._values(row, exceptions, now)
        return {**values, **(row["late"] if row["state"] != "withdrawn" else _EMPTY)}

    # === PEOPLE DECIDE === #
    def _forget_late(self):
        """These are in time after all; what was accrued because they were late is taken back."""
        self.filtered(lambda entry: entry.late_policy == "accrue").accrual_ids._undo("in_time")
        self.write(dict(_EMPTY))
        self._reprice(self)

    def _bill_late(self, policy, period):
        """A person chose how these late ones are billed; what waited for that goes on in this transaction.

        :param policy: a key of :data:`DECIDED` but ``ask``
        :param period: date, first day of the period that bills them
        """
        entries = self.sudo()
        before = {entry.id: entry.late_policy for entry in entries}
        entries.write({"late_policy": policy, "late_period": period, "late_decided_by_id": self.env.uid})
        self.env["psa.audit"]._log([
            {
                "event": "entry.late_decided", "res_model": self._name, "res_id": entry.id,
                "company_id": entry.company_id.id, "before": {"late_policy": before[entry.id]},
                "after": {"late_policy": policy, "late_period": period.isoformat()},
            }
            for entry in entries
        ])
        entries._reprice(entries)

    def action_decide_late(self):
        """Choose the period that bills these late arrivals."""
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Choose the Period"),
            "res_model": "psa.late.decide",
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_entry_ids": self.ids},
        }


class PsaException(models.Model):
    _inherit = "psa.exception"

    def _fix_late_arrival(self):
        """The dialog that chooses the period for what waits."""
        return self.entry_ids.action_decide_late()
