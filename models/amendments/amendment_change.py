from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..billing.entry import QUANTITY_DIGITS, RATE_DIGITS
from ..odoo.sale_order_line import BILLING_METHODS

KINDS = [("rate", "Rate"), ("line", "Contract Line"), ("cap", "Cap")]
# Methods that an amendment can add a line of, and the product of each.
PRODUCTS = {
    "time_material": "time", "fixed_fee": "fixed_fee", "milestone": "milestone", "progress": "progress",
    "recurring": "recurring", "retainer": "retainer", "prepaid": "prepaid",
}


class PsaAmendmentChange(models.Model):
    """One thing that an amendment changes.

    * rate: the price of an hour for everyone on the contract, or for a project, person and role of it, from the
      effective date on;
    * line: more or less of a contract line (quantity, unit price), or a new line;
    * cap: more or less of a cap (amount, hours).
    """

    _name = "psa.amendment.change"
    _description = "Change of an Amendment"
    _order = "amendment_id, kind, sequence, id"
    _check_company_auto = True

    # === FIELDS === #
    amendment_id = fields.Many2one("psa.amendment", required=True, index=True, ondelete="cascade")
    order_id = fields.Many2one(related="amendment_id.order_id", store=True, index=True, precompute=True)
    company_id = fields.Many2one(related="amendment_id.company_id", store=True, index=True, precompute=True)
    currency_id = fields.Many2one(related="amendment_id.currency_id")
    state = fields.Selection(related="amendment_id.state")
    sequence = fields.Integer(default=10)
    kind = fields.Selection(KINDS, required=True)
    clause = fields.Char(help="Where this is written down. Empty: the clause of the amendment.")

    # Rate.
    project_id = fields.Many2one(
        "project.project", "Only on Project", domain="[('psa_contract_id', '=', order_id)]", ondelete="restrict")
    employee_id = fields.Many2one("hr.employee", "Person", ondelete="restrict")
    role_id = fields.Many2one("psa.role", check_company=True, ondelete="restrict")
    amount = fields.Float("New Rate per Hour", digits=RATE_DIGITS, aggregator=None, help="Before tax.")
    date_to = fields.Date(
        "Until", help="Last work date at this rate. Empty: until the next rate that is known, or open.")
    rate_before = fields.Float(
        digits=RATE_DIGITS, aggregator=None, compute="_compute_rate_before",
        help="What the same person and role would be priced at on the effective day without this amendment.",
    )

    # Contract line.
    order_line_id = fields.Many2one(
        "sale.order.line", "Contract Line", domain="[('order_id', '=', order_id), ('display_type', '=', False)]",
        index="btree_not_null", ondelete="restrict", help="Empty: a new line.",
    )
    name = fields.Char("Description")
    billing_method = fields.Selection(
        [method for method in BILLING_METHODS if method[0] in PRODUCTS], help="Of a new line.")
    quantity_delta = fields.Float("Quantity +/-", digits=QUANTITY_DIGITS)
    price_delta = fields.Float(
        "Unit Price +/-", digits=RATE_DIGITS, aggregator=None, help="Of a new line: its unit price.")
    line_total = fields.Monetary("Line Total After", compute="_compute_line_total")

    # Cap.
    cap_ref = fields.Reference("_selection_cap", string="Cap")
    cap_amount_delta = fields.Monetary("Amount +/-")
    cap_hours_delta = fields.Float("Hours +/-", digits=QUANTITY_DIGITS)

    _rate_law = models.Constraint(
        "CHECK (kind <> 'rate' OR COALESCE(amount, 0) >= 0)", "A rate cannot be negative.")
    _line_law = models.Constraint(
        """CHECK (
            kind <> 'line'
            OR (order_line_id IS NOT NULL AND (COALESCE(quantity_delta, 0) <> 0 OR COALESCE(price_delta, 0) <> 0))
            OR (order_line_id IS NULL AND name IS NOT NULL AND billing_method IS NOT NULL
                AND COALESCE(quantity_delta, 0) > 0 AND COALESCE(price_delta, 0) >= 0)
            OR applied_line_id IS NOT NULL
        )""",
        "Say by how much the line changes; a new line needs a description, a billing method, a quantity and a price.",
    )
    _cap_law = models.Constraint(
        """CHECK (
            kind <> 'cap'
            OR (cap_ref IS NOT NULL AND (COALESCE(cap_amount_delta, 0) <> 0 OR COALESCE(cap_hours_delta, 0) <> 0))
        )""",
        "Say which cap changes, and by how much.",
    )
    _project_rate = models.Constraint(
        "CHECK (project_id IS NULL OR employee_id IS NOT NULL OR role_id IS NOT NULL)",
        "A project's rate names a person or a role.",
    )

    # What it did.
    applied_line_id = fields.Many2one(
        "sale.order.line", "Line Changed or Made", readonly=True, copy=False, index="btree_not_null",
        ondelete="restrict",
    )
    quantity_before = fields.Float(digits=QUANTITY_DIGITS, readonly=True, copy=False)
    price_before = fields.Float(digits=RATE_DIGITS, readonly=True, copy=False, aggregator=None)

    @api.model
    def _selection_cap(self):
        return [("psa.cap", self.env._("Cap"))] if "psa.cap" in self.env else []

    # === COMPUTE === #
    @api.depends("kind", "project_id", "employee_id", "role_id", "amendment_id.date_effective", "amendment_id.order_id")
    def _compute_rate_before(self):
        """One query for all rate changes."""
        rates = self.filtered(
            lambda change: change.kind == "rate" and change.order_id and change.amendment_id.date_effective)
        (self - rates).rate_before = 0.0
        found = self.env["psa.rate"].sudo()._find([
            {
                "company_id": change.company_id.id,
                "currency_id": change.currency_id.id,
                "order_id": change.order_id._origin.id,
                "project_id": change.project_id.id,
                "partner_id": change.order_id.sudo().partner_id.commercial_partner_id.id,
                "employee_id": change.employee_id.id,
                "role_id": change.role_id.id,
                "work_date": change._day_before(),
            }
            for change in rates
        ])
        for change, (rate, _tried) in zip(rates, found, strict=True):
            change.rate_before = float(rate.amount) if rate else 0.0

    def _day_before(self):
        return fields.Date.subtract(self.amendment_id.date_effective, days=1)

    @api.depends("order_line_id.product_uom_qty", "order_line_id.price_unit", "quantity_delta", "price_delta", "kind")
    def _compute_line_total(self):
        for change in self:
            line = change.order_line_id.sudo()
            if change.applied_line_id:
                quantity, price = change.quantity_before, change.price_before
            else:
                quantity, price = line.product_uom_qty, line.price_unit
            change.line_total = (
                (quantity + change.quantity_delta) * (price + change.price_delta)
                * (1 - (line.discount or 0.0) / 100)
            )

    @api.depends("kind", "name", "order_line_id", "employee_id", "role_id", "project_id")
    def _compute_display_name(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        for change in self.sudo():
            what = change.name or change.order_line_id.name or " / ".join(
                record.name for record in (change.project_id, change.employee_id, change.role_id) if record)
            change.display_name = f"{labels.get(change.kind, '')} {what or ''}".strip()

    # === CONSTRAINTS === #
    @api.constrains("order_line_id", "project_id", "cap_ref", "amendment_id")
    def _check_contract(self):
        for change in self.sudo():
            order, project = change.order_id, change.project_id
            touched = change.order_line_id.order_id | project.psa_contract_id
            if change.cap_ref:
                touched |= change.cap_ref.order_id
            if touched - order or (project and not project.psa_contract_id):
                raise ValidationError(self.env._(
                    "%(change)s is not of the contract %(contract)s.",
                    change=change.display_name, contract=order.name,
                ))

    # === CRUD: changes are the amendment's text === #
    @api.model_create_multi
    def create(self, vals_list):
        changes = super().create(vals_list)
        changes._check_editable()
        return changes

    def write(self, vals):
        self._check_editable()
        return super().write(vals)

    def unlink(self):
        self._check_editable()
        return super().unlink()

    def _check_editable(self):
        if self.env.su:
            return
        self.amendment_id._require_states(("draft",))
        self.amendment_id._note_editor()

    # === TOOLS === #
    def _clause(self):
        self.ensure_one()
        return self.clause or self.amendment_id.clause or False
