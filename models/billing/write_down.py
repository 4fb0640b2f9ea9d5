from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from .entry import QUANTITY_DIGITS

STATES = [
    ("draft", "Draft"),
    ("to_approve", "To Approve"),
    ("approved", "Approved"),
    ("refused", "Refused"),
    ("reversed", "Reversed"),
]
# What a person says; the rest follows through the buttons.
_ASKED = {"entry_ids", "mode", "amount", "percent", "with_hours", "reason_id", "comment"}


class PsaWriteDownReason(models.Model):
    """Why less is billed than the work is worth."""

    _name = "psa.write.down.reason"
    _description = "Write-down Reason"
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    code = fields.Char(required=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)

    _code_uniq = models.Constraint("UNIQUE (code)", "There is already a reason with this code.")


class PsaWriteDown(models.Model):
    """Bill less than the work is worth, with a reason; above the company's limit another person approves.

    A write-down never bills more, and never touches what stands on an invoice: that is credited.
    """

    _name = "psa.write.down"
    _description = "Write-down"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _check_company_auto = True

    # === FIELDS === #
    company_id = fields.Many2one(
        "res.company", compute="_compute_company_id", store=True, precompute=True, index=True, required=True)
    currency_id = fields.Many2one("res.currency", compute="_compute_currency_id", store=True, precompute=True)
    entry_ids = fields.Many2many(
        "psa.entry", string="Entries", domain="[('billing_state', '=', 'to_bill'), ('amount', '>', 0), "
        "'|', ('state', '=', 'approved'), ('reason', 'in', ('cap_reached', 'po_used_up'))]")
    partner_ids = fields.Many2many("res.partner", string="Customers", compute="_compute_partner_ids")
    mode = fields.Selection(
        [("full", "All of it (write off)"), ("percent", "A percentage"), ("amount", "An amount")],
        "Write Down", required=True, default="full")
    amount = fields.Monetary(help="Of all entries together; spread by what each is worth.")
    percent = fields.Float(digits=(16, 4), help="Of what each entry is still worth.")
    with_hours = fields.Boolean(
        "Hours as Well", help="The invoice shows fewer hours; otherwise it shows all of them, at a lower price.")
    reason_id = fields.Many2one("psa.write.down.reason", required=True, ondelete="restrict", tracking=True)
    comment = fields.Text()
    state = fields.Selection(STATES, required=True, readonly=True, default="draft", tracking=True, index=True)
    worth = fields.Monetary(
        compute="_compute_worth", help="What would be billed of these entries before this write-down.")
    total = fields.Monetary("Written Down", compute="_compute_worth")
    needs_approval = fields.Boolean(readonly=True, copy=False, help="It is above the company's limit.")
    requested_by = fields.Many2one("res.users", "Asked For By", readonly=True, copy=False)
    decided_by = fields.Many2one("res.users", readonly=True, copy=False)
    decided_at = fields.Datetime(readonly=True, copy=False)
    line_ids = fields.One2many("psa.write.down.line", "write_down_id", readonly=True, copy=False)

    _four_eyes = models.Constraint(
        """CHECK (state <> 'approved' OR COALESCE(needs_approval, FALSE) = FALSE
            OR (decided_by IS NOT NULL AND requested_by IS NOT NULL AND decided_by <> requested_by))""",
        "Another person has to approve this write-down.",
    )
    _percent_range = models.Constraint(
        "CHECK (mode <> 'percent' OR (percent > 0 AND percent <= 100))", "Write down more than 0 and up to 100 %.")
    _amount_positive = models.Constraint(
        "CHECK (mode <> 'amount' OR amount > 0)", "A write-down only ever bills less: its amount is above zero.")

    # === COMPUTE === #
    @api.depends("entry_ids.partner_id")
    def _compute_partner_ids(self):
        for write_down in self:
            write_down.partner_ids = write_down.entry_ids.partner_id

    @api.depends("entry_ids")
    def _compute_company_id(self):
        for write_down in self:
            write_down.company_id = write_down.entry_ids.company_id[:1] or write_down.company_id or self.env.company

    @api.depends("entry_ids", "company_id")
    def _compute_currency_id(self):
        for write_down in self:
            write_down.currency_id = write_down.entry_ids.currency_id[:1] or write_down.company_id.currency_id

    @api.depends("entry_ids", "mode", "amount", "percent", "line_ids.amount")
    def _compute_worth(self):
        for write_down in self:
            if write_down.line_ids:
                write_down.total = sum(write_down.line_ids.mapped("amount"))
                write_down.worth = sum(write_down.line_ids.mapped("worth"))
                continue
            entries = write_down.entry_ids
            write_down.worth = sum(entry._worth_left() for entry in entries)
            write_down.total = sum(amount for _entry, amount in write_down._spread())

    @api.depends("reason_id.name", "currency_id", "total")
    def _compute_display_name(self):
        for write_down in self:
            money = write_down.currency_id.format(write_down.total) if write_down.currency_id else ""
            write_down.display_name = f"{write_down.reason_id.name or ''} {money}".strip()

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            for vals in vals_list:
                self._check_asked(vals)
        return super().create(vals_list)

    def write(self, vals):
        if not self.env.su:
            self._check_asked({name: vals[name] for name in vals if not name.startswith(("message_", "activity_"))})
            if any(write_down.state != "draft" for write_down in self) and _ASKED & set(vals):
                raise UserError(self.env._("A write-down changes in draft only."))
        return super().write(vals)

    def _check_asked(self, vals):
        if refused := set(vals) - _ASKED:
            raise AccessError(self.env._(
                "Write-downs are decided by their buttons; %(fields)s cannot be written.",
                fields=", ".join(sorted(refused))))

    @api.ondelete(at_uninstall=False)
    def _unlink_only_draft(self):
        if any(write_down.state != "draft" for write_down in self):
            raise UserError(self.env._("A write-down that was asked for is kept."))


class PsaWriteDownLine(models.Model):
    """How much of one entry a write-down takes off."""

    _name = "psa.write.down.line"
    _description = "Write-down of an Entry"
    _order = "id"

    # === FIELDS === #
    write_down_id = fields.Many2one("psa.write.down", required=True, index=True, readonly=True, ondelete="cascade")
    entry_id = fields.Many2one("psa.entry", required=True, index=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one(related="write_down_id.company_id", store=True, index=True, precompute=True)
    currency_id = fields.Many2one(related="entry_id.currency_id", store=True, precompute=True)
    reason_id = fields.Many2one(related="write_down_id.reason_id", store=True, precompute=True, index=True)
    state = fields.Selection(related="write_down_id.state", store=True, precompute=True, index=True)
    requested_by = fields.Many2one(related="write_down_id.requested_by", store=True, precompute=True)
    order_id = fields.Many2one(related="entry_id.order_id", store=True, precompute=True, string="Contract")
    partner_id = fields.Many2one(related="entry_id.partner_id", store=True, precompute=True, string="Customer")
    project_id = fields.Many2one(related="entry_id.project_id", store=True, precompute=True)
    employee_id = fields.Many2one(related="entry_id.employee_id", store=True, precompute=True, string="Person")
    role_id = fields.Many2one(related="entry_id.role_id", store=True, precompute=True)
    kind = fields.Selection(related="entry_id.kind", store=True, precompute=True)
    work_date = fields.Date("Date", related="entry_id.work_date", store=True, precompute=True)
    worth = fields.Monetary(readonly=True, help="What would have been billed when the write-down was asked for.")
    amount = fields.Monetary("Decided", readonly=True)
    quantity = fields.Float("Hours", digits=QUANTITY_DIGITS, readonly=True)
    applied_amount = fields.Monetary(
        "Written Down", readonly=True, default=0.0,
        help="What it takes off now: never more than the entry is worth.")

    _entry_once = models.Constraint("UNIQUE (write_down_id, entry_id)", "An entry is in a write-down only once.")
    _amount_positive = models.Constraint("CHECK (amount > 0)", "A write-down only ever bills less.")
    _applied_law = models.Constraint(
        "CHECK (COALESCE(applied_amount, 0) BETWEEN 0 AND amount)", "More would be written down than was decided.")
