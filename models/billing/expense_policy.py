from odoo import api, fields, models

# From the most to the least specific: the first scope with a policy on the day of the expense decides.
POLICY_SCOPES = [
    ("contract_category", "Contract and category"),
    ("contract", "Contract"),
    ("customer_category", "Customer and category"),
    ("customer", "Customer"),
    ("company_category", "Company and category"),
    ("company", "Company"),
]
METHODS = [
    ("cost", "At Cost"),
    ("markup", "Cost plus Mark-up"),
    ("per_diem", "Per Diem"),
    ("not_billed", "Not Billed"),
]
BASES = [
    ("source", "What the Source Bills"),
    ("net", "Paid, without Recoverable Tax"),
    ("gross", "Paid, with Tax"),
]


class PsaExpensePolicy(models.Model):
    """What a contract, a customer or the company lets through of expenses of one category (empty: of all).

    Two policies of one scope never overlap in time: the database refuses it. Which scope wins is fixed
    (:data:`POLICY_SCOPES`), never "the cheapest for the customer". Without a policy an expense is billed at what its
    source says.
    """

    _name = "psa.expense.policy"
    _description = "Expense Policy"
    _order = "company_id, order_id, partner_id, product_id, date_from desc, id"
    _check_company_auto = True

    # === FIELDS === #
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="cascade")
    order_id = fields.Many2one(
        "sale.order", "Contract", index="btree_not_null", check_company=True, ondelete="cascade",
        domain="[('psa_contract', '=', True)]",
    )
    partner_id = fields.Many2one(
        "res.partner", "Customer", index="btree_not_null", ondelete="cascade", help="A policy for all its contracts.")
    product_id = fields.Many2one(
        "product.product", "Category", index="btree_not_null", check_company=True, ondelete="restrict",
        domain="[('can_be_expensed', '=', True)]", help="Empty: all categories that have no policy of their own.",
    )
    scope = fields.Selection(POLICY_SCOPES, compute="_compute_scope", store=True, precompute=True)
    date_from = fields.Date("From", help="First day of expenses under this policy. Empty: since ever.")
    date_to = fields.Date("To", help="Last day of expenses under this policy. Empty: open.")

    method = fields.Selection(METHODS, "Billed", required=True, default="cost")
    basis = fields.Selection(
        BASES, "Cost Is", required=True, default="source",
        help="What is taken as the cost: what the source wants billed, or what was paid, with or without the tax that "
        "the company gets back.",
    )
    markup_percent = fields.Float("Mark-up (%)", digits=(16, 4), aggregator=None)
    per_diem_amount = fields.Monetary(
        "Per Day", aggregator=None, help="Billed once for each person and day, whatever was spent.")
    cap_amount = fields.Monetary("At Most", aggregator=None, help="Before tax, after the mark-up. Zero: no limit.")
    cap_per = fields.Selection(
        [("item", "Each Expense"), ("day", "Each Person and Day")], "Limit For", required=True, default="item")
    over_cap = fields.Selection(
        [("tell", "Keep It Back as an Exception"), ("cut", "Cut It Off")], "Above It", required=True, default="tell",
        help="What is above the limit is never billed by itself: a person decides about it, or it is cut off.",
    )
    max_age_days = fields.Integer(
        "Approved within Days", aggregator=None,
        help="An expense that is approved more than so many days after it was made waits as an exception. Zero: never.",
    )
    receipt_required = fields.Boolean()
    receipt_from = fields.Monetary(
        "From an Amount Of", aggregator=None, help="Cheaper expenses need no receipt.")
    currency_id = fields.Many2one(
        "res.currency", required=True, compute="_compute_currency_id", store=True, readonly=False, precompute=True,
        ondelete="restrict", help="Of the amounts in this policy.",
    )

    # === CONSTRAINTS === #
    _no_overlap = models.Constraint(
        """EXCLUDE USING gist (
            int4range(company_id, company_id, '[]') WITH =,
            int4range(COALESCE(order_id, 0), COALESCE(order_id, 0), '[]') WITH =,
            int4range(COALESCE(partner_id, 0), COALESCE(partner_id, 0), '[]') WITH =,
            int4range(COALESCE(product_id, 0), COALESCE(product_id, 0), '[]') WITH =,
            daterange(date_from, date_to, '[]') WITH &&
        )""",
        "There is already a policy for the same contract, customer and category at that time.",
    )
    _dates_ordered = models.Constraint(
        "CHECK (date_to IS NULL OR date_from IS NULL OR date_to >= date_from)",
        "A policy cannot end before it starts.",
    )
    _one_scope = models.Constraint(
        "CHECK (order_id IS NULL OR partner_id IS NULL)", "A policy is for a contract or for a customer, not for both.")
    _not_negative = models.Constraint(
        """CHECK (
            COALESCE(markup_percent, 0) >= 0 AND COALESCE(per_diem_amount, 0) >= 0 AND COALESCE(cap_amount, 0) >= 0
            AND COALESCE(max_age_days, 0) >= 0 AND COALESCE(receipt_from, 0) >= 0
        )""",
        "The figures of a policy cannot be negative.",
    )
    _per_diem_known = models.Constraint(
        "CHECK (method <> 'per_diem' OR COALESCE(per_diem_amount, 0) > 0)", "Say how much a day is billed.")

    # === COMPUTE === #
    @api.depends("order_id.currency_id", "company_id")
    def _compute_currency_id(self):
        for policy in self:
            policy.currency_id = policy.order_id.currency_id or policy.currency_id or policy.company_id.currency_id

    @api.depends("order_id", "partner_id", "product_id")
    def _compute_scope(self):
        for policy in self:
            scope = "contract" if policy.order_id else "customer" if policy.partner_id else "company"
            policy.scope = f"{scope}_category" if policy.product_id else scope

    @api.depends("order_id", "partner_id", "product_id", "method", "company_id")
    def _compute_display_name(self):
        methods = dict(self._fields["method"]._description_selection(self.env))
        for policy in self.sudo():
            owner = policy.order_id.name or policy.partner_id.name or policy.company_id.name
            parts = (owner, policy.product_id.name or self.env._("All categories"), methods.get(policy.method))
            policy.display_name = " / ".join(part for part in parts if part)

    # === ACTIONS === #
    def action_open_entries(self):
        """The entries that this policy decides about."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_entry")
        return {**action, "domain": [("expense_policy_id", "=", self.id)], "context": {}}


class SaleOrder(models.Model):
    _inherit = "sale.order"

    psa_expense_policy_ids = fields.One2many("psa.expense.policy", "order_id", "Expense Policies", copy=False)
