from odoo import api, fields, models
from odoo.tools import SQL

# Prices of an hour may be parts of a day's price.
RATE_DIGITS = (16, 6)
# Hours and units are kept to six decimals; the column is numeric, so that sums in the database are exact.
QUANTITY_DIGITS = (16, 6)

KINDS = [
    ("time", "Time"),
    ("expense", "Expense"),
    ("milestone", "Milestone"),
    ("fee", "Fixed Fee"),
    ("progress", "Progress"),
    ("recurring", "Recurring Fee"),
    ("retainer", "Retainer"),
    ("pass_through", "Pass-through Cost"),
    ("adjustment", "Price Difference"),
]
STATES = [
    ("waiting", "Waiting for Approval"),
    ("approved", "Approved"),
    ("held", "Held"),
    ("excluded", "Excluded"),
    ("withdrawn", "Withdrawn"),
]
# Why an entry is not (or no longer) billable. Each belongs to one state.
REASONS = [
    ("not_approved", "Not approved at the source yet"),
    ("source_hold", "The source keeps it from billing for now"),
    ("missing_rate", "No rate for this person or role on that date"),
    ("no_line", "The contract has no line that can bill it"),
    ("currency_mismatch", "Its currency is not the contract's"),
    ("missing_exchange_rate", "No exchange rate on the date that the contract names"),
    ("cap_reached", "Over what the contract allows to bill"),
    ("po_missing", "The customer's order number is missing"),
    ("po_expired", "The customer's order has expired"),
    ("po_used_up", "The customer's order is used up"),
    ("acceptance_missing", "The customer has not accepted it yet"),
    ("evidence_missing", "The signed acceptance is not attached yet"),
    ("expense_policy", "Outside the expense policy of the contract"),
    ("receipt_missing", "The receipt is missing"),
    ("bill_not_in", "The vendor's bill is not posted yet"),
    ("retainer_empty", "The retainer is used up"),
    ("late_arrival", "Arrived after its period was closed"),
    ("wrong_entity", "Done by another company's people without a transfer price"),
    ("not_billable", "Not billable at the source"),
    ("source_excluded", "The source excludes it from billing"),
    ("source_billed", "Invoiced already according to the source"),
    ("project_excluded", "Its project is excluded from billing"),
    ("covered", "Covered by the fee of its contract line"),
    ("drawn", "Paid by the retainer"),
    ("written_off", "Written off"),
    ("waived", "Waived by a person"),
    ("rejected", "Approval was withdrawn at the source"),
    ("deleted", "Deleted at the source"),
    ("origin_repriced", "The work it corrects was credited and has its new price itself"),
]


class PsaEntry(models.Model):
    """A billable event: hours, an expense, a milestone or a fee, priced by its contract.

    ``gross_*`` is its worth by the contract; what a write-down, a retainer, a cap or a difference billed before takes
    off leads to ``quantity`` and ``amount``: what is approved. ``allocated_*`` is what stands on invoices (draft ones
    included, posted credits deducted). The database keeps allocated between zero and approved, whatever the sign.
    off leads to ``quantity`` and ``amount``, which are what is approved; ``allocated_*`` what stands on invoices (draft
    ones included, posted credits deducted). The database keeps allocated between zero and approved, whatever the sign.
    A change after billing does not touch them: it is kept as pending until an invoice is credited or a person accepts.
    """

    _name = "psa.entry"
    _description = "Billable Entry"
    _order = "work_date desc, id desc"
    _check_company_auto = True

    # === FIELDS === #
    company_id = fields.Many2one("res.company", required=True, readonly=True, ondelete="restrict")
    order_id = fields.Many2one("sale.order", "Contract", required=True, readonly=True, ondelete="restrict")
    order_line_id = fields.Many2one(
        "sale.order.line", "Contract Line", index="btree_not_null", readonly=True, ondelete="restrict"
    )
    project_id = fields.Many2one("project.project", index="btree_not_null", readonly=True, ondelete="set null")
    partner_id = fields.Many2one("res.partner", "Customer", index="btree_not_null", readonly=True, ondelete="restrict")
    kind = fields.Selection(KINDS, required=True, readonly=True)
    work_date = fields.Date("Date", required=True, readonly=True)
    employee_id = fields.Many2one("hr.employee", "Person", readonly=True, ondelete="restrict")
    role_id = fields.Many2one("psa.role", readonly=True, ondelete="restrict")
    description = fields.Char(readonly=True)
    narrative = fields.Text(
        help="What the customer reads instead of the description; kept when the source sends the record again.")
    source_quantity = fields.Float(
        "Quantity at the Source", digits=QUANTITY_DIGITS, readonly=True, help="Before the contract's rounding.")
    gross_quantity = fields.Float(
        digits=QUANTITY_DIGITS, readonly=True, help="As the contract counts it, before anything is taken off.")
    quantity = fields.Float(digits=QUANTITY_DIGITS, readonly=True)
    uom_id = fields.Many2one("uom.uom", "Unit", readonly=True, ondelete="restrict")
    rate = fields.Float(
        digits=RATE_DIGITS, readonly=True, aggregator=None, help="Price of one hour or unit, before tax.")
    rate_id = fields.Many2one("psa.rate", "Rate Row", index="btree_not_null", readonly=True, ondelete="set null")
    agreed_amount = fields.Float(
        digits=RATE_DIGITS, readonly=True, aggregator=None,
        help="What the source states for something that is not hours, in the source's currency.",
    )
    gross_amount = fields.Monetary(
        "Worth", readonly=True, help="By the contract, before anything is taken off.")
    written_down_amount = fields.Monetary("Written Down", readonly=True)
    drawn_quantity = fields.Float(
        digits=QUANTITY_DIGITS, readonly=True, help="Hours that a retainer pays for.")
    drawn_amount = fields.Monetary("Paid by Retainer", readonly=True)
    over_cap_quantity = fields.Float(digits=QUANTITY_DIGITS, readonly=True)
    over_cap_amount = fields.Monetary("Over the Cap", readonly=True)
    adjusted_amount = fields.Monetary(
        "Billed as Difference", readonly=True, help="The part of the worth that price differences bill.")
    amount = fields.Monetary(
        readonly=True, help="To be billed: before tax, in the contract's currency, rounded once.")
    currency_id = fields.Many2one("res.currency", required=True, readonly=True, ondelete="restrict")
    state = fields.Selection(STATES, required=True, readonly=True, default="waiting")
    reason = fields.Selection(REASONS, "Why Not Billed", readonly=True)
    approved_at = fields.Datetime(readonly=True)
    trace = fields.Json("Why This Amount", readonly=True)
    billing_state = fields.Selection(
        [("to_bill", "To Bill"), ("partly", "Partly Billed"), ("billed", "Billed")],
        compute="_compute_billing_state",
        store=True,
    )
    allocated_quantity = fields.Float("Billed Quantity", digits=QUANTITY_DIGITS, readonly=True, default=0.0)
    allocated_amount = fields.Monetary("Billed", readonly=True, default=0.0)
    allocation_ids = fields.One2many("psa.allocation", "entry_id", readonly=True)

    # What the entry stands for; exactly one of them.
    analytic_line_id = fields.Many2one("account.analytic.line", "Timesheet", readonly=True, ondelete="set null")
    milestone_id = fields.Many2one("project.milestone", readonly=True, ondelete="set null")
    expense_id = fields.Many2one("hr.expense", readonly=True, ondelete="set null")
    fee_line_id = fields.Many2one("sale.order.line", readonly=True, ondelete="set null")

    exception_id = fields.Many2one("psa.exception", index="btree_not_null", readonly=True, ondelete="set null")
    risk_amount = fields.Monetary(
        "Money at Risk", currency_field="company_currency_id", readonly=True, help="In the company's currency."
    )
    freed_from_id = fields.Many2one(
        "psa.exception", "Was Held by", readonly=True, index="btree_not_null", ondelete="set null", copy=False,
        help="The exception that held it before it became billable.")
    company_currency_id = fields.Many2one(related="company_id.currency_id", string="Company Currency")
    source_amount = fields.Monetary(
        currency_field="source_currency_id", readonly=True, help="What the source would bill. Evidence only."
    )
    source_currency_id = fields.Many2one("res.currency", readonly=True, ondelete="restrict")
    message_id = fields.Many2one(
        "psa.message", index="btree_not_null", readonly=True, ondelete="set null", help="What said so last."
    )

    # A change that came after billing.
    pending_change = fields.Selection(
        [("changed", "Changed"), ("rejected", "Rejected"), ("deleted", "Deleted")],
        "Changed After Billing",
        readonly=True,
        index="btree_not_null",
    )
    pending_quantity = fields.Float("New Quantity", digits=QUANTITY_DIGITS, readonly=True)
    pending_amount = fields.Monetary("New Amount", readonly=True)
    pending_spec = fields.Json(readonly=True, help="What the source says now; taken over when billing allows it.")

    # What the source was told last about its billing (see account_move_status.py).
    status_sequence = fields.Integer(readonly=True, default=0)
    status_hash = fields.Char(readonly=True)

    _analytic_line_uniq = models.UniqueIndex("(analytic_line_id) WHERE analytic_line_id IS NOT NULL")
    _milestone_uniq = models.UniqueIndex("(milestone_id) WHERE milestone_id IS NOT NULL")
    _expense_uniq = models.UniqueIndex("(expense_id) WHERE expense_id IS NOT NULL")
    _fee_line_uniq = models.UniqueIndex("(fee_line_id) WHERE fee_line_id IS NOT NULL")
    # No index knows what billing changes (allocated, billing_state): a month-end then updates entries in place.
    _order_idx = models.Index("(order_id, work_date)")
    _amount_law = models.Constraint(
        """CHECK (
            COALESCE(allocated_amount, 0) BETWEEN LEAST(COALESCE(amount, 0), 0) AND GREATEST(COALESCE(amount, 0), 0)
        )""",
        "More would be billed, or credited, than is approved (amount).",
    )
    _worth_law = models.Constraint(
        """CHECK (
            COALESCE(amount, 0) = COALESCE(gross_amount, 0) - COALESCE(written_down_amount, 0)
                - COALESCE(drawn_amount, 0) - COALESCE(over_cap_amount, 0) - COALESCE(adjusted_amount, 0)
        )""",
        "What is to be billed is not the worth less what was taken off.",
    )
    _quantity_law = models.Constraint(
        """CHECK (
            COALESCE(allocated_quantity, 0)
            BETWEEN LEAST(COALESCE(quantity, 0), 0) AND GREATEST(COALESCE(quantity, 0), 0)
        )""",
        "More would be billed, or credited, than is approved (quantity).",
    )

    def init(self):
        # Room on each page for the new versions that a billing run makes of all its rows.
        self.env.cr.execute(SQL("ALTER TABLE psa_entry SET (fillfactor = 70)"))

    # === COMPUTE === #
    @api.depends("amount", "quantity", "allocated_amount", "allocated_quantity")
    def _compute_billing_state(self):
        for entry in self:
            if not entry.allocated_amount and not entry.allocated_quantity:
                entry.billing_state = "to_bill"
            elif entry.allocated_amount == entry.amount and entry.allocated_quantity == entry.quantity:
                entry.billing_state = "billed"
            else:
                entry.billing_state = "partly"

    @api.depends("kind", "work_date", "employee_id", "description")
    def _compute_display_name(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        for entry in self:
            what = entry.employee_id.sudo().name if entry.kind == "time" else entry.description
            entry.display_name = f"{labels[entry.kind]} {entry.work_date} {what or ''}".strip()

    # === BUSINESS === #
    @api.model
    def _psa_held_by_order(self, order_ids):
        """Return ``{order id: money kept from billing}`` in the orders' currencies, one query.

        An entry without a price counts with what the source would bill.
        """
        self.flush_model(["order_id", "state", "amount", "allocated_amount", "source_amount", "over_cap_amount"])
        return {
            order_id: float(held)
            for order_id, held in self.env.execute_query(SQL(
                """
                SELECT order_id, SUM(CASE WHEN state = 'approved' THEN over_cap_amount ELSE
                           COALESCE(NULLIF(amount, 0), source_amount * (source_currency_id = currency_id)::int, 0)
                           - COALESCE(allocated_amount, 0) END
                       )
                  FROM psa_entry
                 WHERE order_id = ANY(%s)
                   AND (state IN ('waiting', 'held') OR (state = 'approved' AND over_cap_amount <> 0))
              GROUP BY order_id
                """,
                list(order_ids),
            ))
        }
