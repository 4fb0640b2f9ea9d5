from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError


class PsaLateDecide(models.TransientModel):
    """Chooses the period that bills work which arrived after the close."""

    _name = "psa.late.decide"
    _description = "Choose the Period for Late Work"

    entry_ids = fields.Many2many("psa.entry", string="Late Work", readonly=True)
    company_id = fields.Many2one("res.company", compute="_compute_totals")
    currency_id = fields.Many2one("res.currency", compute="_compute_totals")
    amount = fields.Monetary(compute="_compute_totals", help="In the company's currency.")
    entry_count = fields.Integer("Entries", compute="_compute_totals")
    can_accrue = fields.Boolean(compute="_compute_totals")
    how = fields.Selection(
        [
            ("next_period", "In the next open period"),
            ("accrue", "In the next open period, accrued in its own"),
            ("in_time", "In its own period, as if it had come in time"),
            ("chosen", "From a date on that I choose"),
        ],
        "Bill It", required=True, default="next_period",
    )
    period = fields.Date("Bill From", default=fields.Date.context_today)

    @api.depends("entry_ids")
    def _compute_totals(self):
        today = fields.Date.context_today(self)
        for wizard in self:
            company = wizard.entry_ids.company_id[:1] or self.env.company
            wizard.company_id, wizard.currency_id = company, company.currency_id
            wizard.entry_count = len(wizard.entry_ids)
            wizard.amount = sum(
                entry.currency_id._convert(entry.amount, company.currency_id, company, today)
                for entry in wizard.entry_ids)
            wizard.can_accrue = company.sudo()._psa_can_accrue()

    def action_decide(self):
        """Release what waits, to be billed as chosen.

        :raise AccessError: for others than reviewers
        :raise UserError: for work that is not late or is billed, or for accruals that are not set up
        """
        self.ensure_one()
        if not self.env.user.has_group("psa_hub.group_reviewer"):
            raise AccessError(self.env._("Only reviewers and approvers may choose the period of late work."))
        entries = self.entry_ids
        entries.check_access("read")
        if not entries or any(not entry.late_policy or entry.billing_state != "to_bill" for entry in entries):
            raise UserError(self.env._("Only late work that is on no invoice yet can be given another period."))
        companies = entries.company_id.sudo()
        if self.how == "accrue" and not all(company._psa_can_accrue() for company in companies):
            raise UserError(self.env._("Set the journal and accounts for accruals in the settings first."))
        calendars = self.env["psa.closing"]._calendars(companies)
        by_period = {}
        for entry in entries:
            calendar = calendars[entry.company_id.id]
            how = self.how
            if how == "accrue" and (calendar.is_locked(entry.work_date) or not entry.late_closing_id):
                how = "next_period"
            day = {
                "in_time": entry.work_date,
                "chosen": max(self.period or entry.work_date, entry.work_date),
            }.get(how) or calendar.first_open_day(entry.work_date)
            by_period.setdefault((how, day), entries.browse())
            by_period[how, day] |= entry
        for (how, day), of_period in by_period.items():
            of_period._bill_late(how, day)
        return {"type": "ir.actions.client", "tag": "soft_reload"}
