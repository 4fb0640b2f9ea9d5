from odoo import fields, models

LATE_POLICIES = [
    ("next_period", "Bill in the Next Open Period"),
    ("accrue", "Accrue, and Bill in the Next Open Period"),
    ("ask", "Ask"),
]


class ResCompany(models.Model):
    """The company's rules for holds, late work and accruals."""

    _inherit = "res.company"

    psa_hold_overdue = fields.Boolean(
        "Hold Customers Who Are Overdue", help="Nothing is billed to a customer who has not paid what is long due.")
    psa_overdue_days = fields.Integer("Overdue for More Than (Days)", default=30)
    psa_overdue_amount = fields.Monetary(
        "Overdue by More Than", default=0.0, help="Sum of what is overdue, in the company's currency.")
    psa_late_policy = fields.Selection(
        LATE_POLICIES, "Late Work", required=True, default="next_period",
        help="What happens to work that arrives after its period was closed, unless the contract says otherwise.")
    psa_cutoff_days = fields.Integer(
        "Cut-off (Days after the Period)", default=3,
        help="Proposed for the sources of a new closing; each can be changed there.")
    psa_accrual_journal_id = fields.Many2one(
        "account.journal", "Accrual Journal", domain="[('type', '=', 'general'), ('company_id', '=', id)]",
        ondelete="restrict")
    psa_accrued_account_id = fields.Many2one(
        "account.account", "Accrued Revenue", ondelete="restrict",
        help="Balance sheet account for work that is done and not billed yet.")
    psa_accrual_revenue_account_id = fields.Many2one(
        "account.account", "Revenue of Accruals", ondelete="restrict")

    _psa_overdue_not_negative = models.Constraint(
        "CHECK (psa_overdue_days >= 0 AND COALESCE(psa_overdue_amount, 0) >= 0)",
        "The overdue rule needs days and an amount that are not negative.")

    def _psa_lock_day(self):
        """Return the last day on which no customer invoice may be booked any more, or None.

        Odoo's own lock dates (global, sales, hard; those of parent companies too), less the lock exceptions that are
        in force for the user.
        """
        self.ensure_one()
        company = self.sudo()
        day = max(
            company.user_fiscalyear_lock_date, company.user_sale_lock_date, company.user_hard_lock_date)
        return day if day > fields.Date.to_date("0001-01-01") else None

    def _psa_can_accrue(self):
        """Tell whether accruals of the company can be booked."""
        self.ensure_one()
        return bool(
            self.psa_accrual_journal_id and self.psa_accrued_account_id and self.psa_accrual_revenue_account_id)


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    psa_hold_overdue = fields.Boolean(related="company_id.psa_hold_overdue", readonly=False)
    psa_overdue_days = fields.Integer(related="company_id.psa_overdue_days", readonly=False)
    psa_overdue_amount = fields.Monetary(
        related="company_id.psa_overdue_amount", readonly=False, currency_field="company_currency_id")
    psa_late_policy = fields.Selection(related="company_id.psa_late_policy", readonly=False)
    psa_cutoff_days = fields.Integer(related="company_id.psa_cutoff_days", readonly=False)
    psa_accrual_journal_id = fields.Many2one(related="company_id.psa_accrual_journal_id", readonly=False)
    psa_accrued_account_id = fields.Many2one(related="company_id.psa_accrued_account_id", readonly=False)
    psa_accrual_revenue_account_id = fields.Many2one(
        related="company_id.psa_accrual_revenue_account_id", readonly=False)
