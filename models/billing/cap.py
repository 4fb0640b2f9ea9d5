from collections import defaultdict
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .entry import QUANTITY_DIGITS
from .pricing import decimal_of

KINDS = [
    ("contract", "Contract"),
    ("customer", "Customer's Share"),
    ("line", "Contract Line"),
    ("phase", "Phase"),
    ("purchase_order", "Customer's Order"),
]
# Reasons of entries that wait for a cap.
CAP_REASONS = ("cap_reached", "po_used_up")
_SCOPE = {"order_id", "kind", "partner_id", "order_line_id", "project_id", "task_id"}
_TERMS = {"amount_limit", "quantity_limit", "enforcement"}


class PsaCap(models.Model):
    """Not to exceed: how much of a contract, a customer's share, a line or a phase may be billed.

    What is approved is reserved (:class:`~.cap_use.PsaCapUse`); the reserved sums are kept by the database, which
    refuses to let a hard cap be passed. A limit of zero is none.
    """

    _name = "psa.cap"
    _description = "Cap"
    _inherit = ["mail.thread"]
    _order = "order_id, closed, id"
    _rec_names_search = ["order_id.name", "reference", "order_line_id.name", "task_id.name"]
    _check_company_auto = True

    # === FIELDS === #
    company_id = fields.Many2one(
        related="order_id.company_id", store=True, index=True, precompute=True)
    order_id = fields.Many2one(
        "sale.order", "Contract", required=True, index=True, check_company=True, ondelete="cascade",
        domain="[('psa_contract', '=', True)]",
    )
    customer_id = fields.Many2one(related="order_id.partner_id.commercial_partner_id", string="Customer")
    currency_id = fields.Many2one(related="order_id.currency_id")
    kind = fields.Selection(KINDS, "Covers", required=True, default="contract")
    partner_id = fields.Many2one(
        "res.partner", "Share of", ondelete="restrict", index="btree_not_null",
        help="Only this customer's percentage of the work counts.",
    )
    order_line_id = fields.Many2one(
        "sale.order.line", "Contract Line", ondelete="cascade", index="btree_not_null",
        domain="[('order_id', '=', order_id), ('display_type', '=', False)]",
    )
    project_id = fields.Many2one(
        "project.project", ondelete="restrict", index="btree_not_null", check_company=True)
    task_id = fields.Many2one(
        "project.task", ondelete="restrict", index="btree_not_null", check_company=True,
        help="Only work on this task and those below it counts; empty: the whole project.",
    )
    reference = fields.Char("Customer's Order Number", readonly=True)
    closed = fields.Boolean(
        readonly=True, help="A customer's order that another one followed: it keeps what was billed on it.")
    enforcement = fields.Selection(
        [("hard", "Hard"), ("soft", "Soft")], required=True, default="hard", tracking=True,
        help="Hard: what is over it waits with its money. Soft: it is billed all the same, and marked.",
    )
    amount_limit = fields.Monetary(
        "Limit", tracking=True, help="Before tax, in the contract's currency. Zero: no limit in money.")
    quantity_limit = fields.Float(
        "Limit in Hours", digits=QUANTITY_DIGITS, tracking=True, help="Zero: no limit in hours.")
    reserved_amount = fields.Monetary(
        "Used", readonly=True, default=0.0, copy=False, help="Approved to be billed, or billed already.")
    reserved_quantity = fields.Float(
        "Used Hours", digits=QUANTITY_DIGITS, readonly=True, default=0.0, copy=False)
    use_ids = fields.One2many("psa.cap.use", "cap_id", "Uses", readonly=True)

    _hard_law = models.Constraint(
        """CHECK (enforcement = 'soft' OR (
            (COALESCE(amount_limit, 0) = 0 OR COALESCE(reserved_amount, 0) <= amount_limit)
            AND (COALESCE(quantity_limit, 0) = 0 OR COALESCE(reserved_quantity, 0) <= quantity_limit)
        ))""",
        "More would be billed than the cap allows.",
    )
    _some_limit = models.Constraint(
        """CHECK (COALESCE(amount_limit, 0) >= 0 AND COALESCE(quantity_limit, 0) >= 0
            AND (COALESCE(amount_limit, 0) > 0 OR COALESCE(quantity_limit, 0) > 0))""",
        "A cap needs a limit in money or in hours.",
    )
    _scope_law = models.Constraint(
        """CHECK (
            (kind = 'customer') = (partner_id IS NOT NULL)
            AND (kind = 'line') = (order_line_id IS NOT NULL)
            AND (kind = 'phase') = (project_id IS NOT NULL OR task_id IS NOT NULL)
        )""",
        "Name the customer, contract line, project or task that the cap is for, and nothing else.",
    )
    _scope_uniq = models.UniqueIndex(
        """(order_id, kind, COALESCE(partner_id, 0), COALESCE(order_line_id, 0), COALESCE(project_id, 0),
            COALESCE(task_id, 0), enforcement) WHERE closed IS NOT TRUE""",
        "There is already such a cap: change its limit.",
    )

    # === COMPUTE === #
    @api.depends("order_id.name", "kind", "partner_id.name", "order_line_id.name", "project_id.name", "task_id.name",
                 "reference")
    def _compute_display_name(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        for cap in self.sudo():
            what = {
                "customer": cap.partner_id.name,
                "line": (cap.order_line_id.name or "").split("\n")[0],
                "phase": cap.task_id.name or cap.project_id.name,
                "purchase_order": cap.reference,
            }.get(cap.kind)
            cap.display_name = " · ".join(filter(None, (cap.order_id.name, labels.get(cap.kind), what)))

    @api.onchange("kind")
    def _onchange_kind(self):
        if self.kind != "customer":
            self.partner_id = False
        if self.kind != "line":
            self.order_line_id = False
        if self.kind != "phase":
            self.project_id = self.task_id = False

    @api.constrains("order_line_id", "order_id")
    def _check_line(self):
        for cap in self.sudo():
            if cap.order_line_id and cap.order_line_id.order_id != cap.order_id:
                raise UserError(self.env._("The contract line is not of the contract of the cap."))

    # === CRUD: a changed cap reaches what it covers === #
    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su and any(vals.get("kind") == "purchase_order" for vals in vals_list):
            raise UserError(self.env._("The cap of a customer's order follows the order's amount on the contract."))
        caps = super().create(vals_list)
        before = caps._waiting_money()
        caps._count_billed()
        caps._decide_work()
        caps._tell(before)
        return caps

    def write(self, vals):
        if set(vals) & _SCOPE:
            raise UserError(self.env._("What a cap covers does not change: delete it and make a new one."))
        changed = set(vals) & _TERMS
        if not changed or not self:
            return super().write(vals)
        if not self.env.su and "purchase_order" in self.mapped("kind"):
            raise UserError(self.env._("The cap of a customer's order follows the order's amount on the contract."))
        before = self._waiting_money()
        old = {cap.id: (cap.amount_limit, cap.quantity_limit, cap.enforcement) for cap in self}
        self._lock()
        self.env["psa.cap.use"].sudo()._drop_unbilled(self)
        self._check_billed(vals)
        result = super().write(vals)
        self.flush_recordset()
        self._decide_work()
        self._tell(before, old)
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_customers_order(self):
        if not self.env.su and "purchase_order" in self.mapped("kind"):
            raise UserError(self.env._("The cap of a customer's order follows the order's amount on the contract."))

    def unlink(self):
        orders = self.order_id
        self.env["psa.audit"]._log([
            {
                "event": "cap.deleted",
                "res_model": "sale.order",
                "res_id": cap.order_id.id,
                "company_id": cap.company_id.id,
                "before": {"cap": cap.display_name, **cap._terms()},
            }
            for cap in self
        ])
        result = super().unlink()
        self.env["psa.cap"].invalidate_model()
        self.env["psa.entry"].sudo()._release_waiting(orders.ids)
        return result

    # === BUSINESS === #
    def _terms(self):
        self.ensure_one()
        return {
            "limit": self.amount_limit, "hours": self.quantity_limit, "enforcement": self.enforcement,
            "currency": self.currency_id.name,
        }

    def _lock(self):
        """Lock these rows in id order; one changed since the transaction began makes a serialization failure."""
        self.env.flush_all()
        self.env.execute_query(SQL(
            "SELECT id FROM psa_cap WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", self.ids))

    def _count_billed(self):
        """Reserve what is billed already, for caps that are new."""
        self.flush_recordset()
        Entry, Use = self.env["psa.entry"].sudo(), self.env["psa.cap.use"].sudo()
        entries = Entry.search([
            ("order_id", "in", self.order_id.ids), ("billing_state", "!=", "to_bill"), ("state", "=", "approved")])
        if not entries:
            return
        on_another_order = set(Use.search([
            ("entry_id", "in", entries.ids), ("cap_id.kind", "=", "purchase_order"), ("cap_id", "not in", self.ids),
        ]).entry_id.ids)
        rows, sums = Entry._rows_again(entries), defaultdict(lambda: [Decimal(0), Decimal(0)])
        self._open_book(rows)
        for row in rows:
            entry = row["entry"]
            for cap in row["caps"]:
                if cap.id not in self.ids or (cap.kind == "purchase_order" and entry.id in on_another_order):
                    continue
                use = cap.share_of(
                    decimal_of(entry.amount), decimal_of(entry.quantity if entry.kind == "time" else 0),
                    entry.currency_id, entry.work_date)
                row["cap_uses"][cap.id] = use
                sums[cap.id][0] += use[0]
                sums[cap.id][1] += use[1]
        for cap in self:
            cap._check_room(*sums[cap.id], cap.amount_limit, cap.quantity_limit, cap.enforcement)
        Use._write_uses({
            (cap_id, row["entry"].id): use for row in rows for cap_id, use in row["cap_uses"].items()
        })

    def _recount(self):
        """Count all work anew, billed work included: what these caps cover of it has changed (a customer's share).

        :raise UserError: when more is billed by the new count than a hard cap allows
        """
        before = self._waiting_money()
        self._lock()
        self.env["psa.cap.use"].sudo()._drop_unbilled(self)
        self._count_billed()
        self._decide_work()
        self._tell(before)

    def _check_billed(self, vals):
        """Refuse hard limits below what is billed already, in plain words; only billed work is reserved now."""
        for cap in self:
            cap._check_room(
                cap.reserved_amount, cap.reserved_quantity,
                vals.get("amount_limit", cap.amount_limit), vals.get("quantity_limit", cap.quantity_limit),
                vals.get("enforcement", cap.enforcement),
            )

    def _check_room(self, amount, quantity, amount_limit, quantity_limit, enforcement):
        if enforcement == "soft":
            return
        if amount_limit and decimal_of(amount) > decimal_of(amount_limit):
            raise UserError(self.env._(
                "%(cap)s: %(billed)s is billed already, so the limit cannot be %(limit)s.",
                cap=self.display_name, billed=self.currency_id.format(float(amount)),
                limit=self.currency_id.format(amount_limit),
            ))
        if quantity_limit and decimal_of(quantity) > decimal_of(quantity_limit):
            raise UserError(self.env._(
                "%(cap)s: %(billed).2f hours are billed already, so the limit cannot be %(limit).2f hours.",
                cap=self.display_name, billed=float(quantity), limit=quantity_limit,
            ))

    def _decide_work(self):
        """Decide anew about all work of these contracts that is approved or waits for a cap."""
        Entry = self.env["psa.entry"].sudo()
        self.env.flush_all()
        Entry._decide_again(Entry.search(Entry._capped_domain(self.order_id.ids)))

    def _waiting_money(self):
        """Return ``{order id: (money, entries)}`` of what waits for a cap, in the contract's currency."""
        self.env["psa.entry"].flush_model()
        return {
            order_id: (float(amount), count)
            for order_id, amount, count in self.env.execute_query(SQL(
                """
                SELECT order_id, SUM(CASE WHEN state = 'held' THEN amount ELSE over_cap_amount END), COUNT(*)
                  FROM psa_entry
                 WHERE order_id = ANY(%s)
                   AND ((state = 'held' AND reason = ANY(%s)) OR (state = 'approved' AND over_cap_amount <> 0))
              GROUP BY order_id
                """,
                self.order_id.ids, list(CAP_REASONS),
            ))
        }

    def _tell(self, before, old=None):
        """Say how much was released (or held) by these changes: chatter, audit trail, and the user's screen.

        :param before: what :meth:`_waiting_money` said before
        :param old: ``{cap id: (limit, hours, enforcement)}`` before, None for new caps
        """
        after, told, audit = self._waiting_money(), [], []
        for cap in self:
            was, is_now = (state.get(cap.order_id.id, (0.0, 0))[0] for state in (before, after))
            released = cap.currency_id.round(was - is_now)
            if released > 0:
                text = self.env._("%(amount)s released by %(cap)s.",
                                  amount=cap.currency_id.format(released), cap=cap.display_name)
            elif released < 0:
                text = self.env._("%(amount)s is over %(cap)s and waits.",
                                  amount=cap.currency_id.format(-released), cap=cap.display_name)
            else:
                text = None
            if text:
                cap._message_log(body=text)
                told.append(text)
            audit.append({
                "event": "cap.changed" if old else "cap.created",
                "res_model": self._name,
                "res_id": cap.id,
                "company_id": cap.company_id.id,
                "before": old and dict(zip(("limit", "hours", "enforcement"), old[cap.id], strict=True)),
                "after": {**cap._terms(), "released": released},
            })
        self.env["psa.audit"]._log(audit)
        if told and not self.env.su:
            self.env.user._bus_send("simple_notification", {"type": "info", "message": "\n".join(told)})
