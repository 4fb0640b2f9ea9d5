from odoo import api, fields, models

# What the contract says about rounding and the customer's order; a change reaches what is on no invoice.
_REPRICING = {
    "psa_hours_rounding", "psa_hours_rounding_mode", "psa_time_unit", "psa_hours_per_day",
    "psa_purchase_order", "psa_purchase_order_expiry",
}


class ResPartner(models.Model):
    _inherit = "res.partner"

    psa_purchase_order_required = fields.Boolean(
        "Order Number Required", help="This customer pays only invoices that name their order number: without it the "
        "work of a contract waits.")

    @api.model
    def _commercial_fields(self):
        return [*super()._commercial_fields(), "psa_purchase_order_required"]

    def write(self, vals):
        result = super().write(vals)
        if "psa_purchase_order_required" in vals:
            self.env["sale.order"].sudo().search([
                ("partner_id", "child_of", self.commercial_partner_id.ids), ("psa_contract", "=", True),
            ])._psa_decide_again()
        return result


class SaleOrder(models.Model):
    """The customer's order of a contract: its number, until when and for how much."""

    _inherit = "sale.order"

    psa_purchase_order_required = fields.Boolean(
        related="partner_id.commercial_partner_id.psa_purchase_order_required", string="Order Number Required")
    psa_purchase_order_expiry = fields.Date(
        "Valid Until", copy=False, help="Work after this day waits for a new order of the customer.")
    psa_purchase_order_amount = fields.Monetary(
        "Order Amount", copy=False,
        help="Before tax. More than this is not billed: it waits for a new or extended order. Zero: no limit. A new "
        "number together with a new amount is a new order; what is billed stays with the old one.")
    _psa_purchase_order_amount_positive = models.Constraint(
        "CHECK (COALESCE(psa_purchase_order_amount, 0) >= 0)", "The amount of a customer's order is not negative.")

    psa_cap_ids = fields.One2many("psa.cap", "order_id", "Caps")
    psa_purchase_order_cap_id = fields.Many2one("psa.cap", compute="_compute_psa_purchase_order_cap_id")
    psa_purchase_order_left = fields.Monetary("Left on the Order", compute="_compute_psa_purchase_order_cap_id")

    @api.depends("psa_cap_ids", "psa_purchase_order_amount")
    def _compute_psa_purchase_order_cap_id(self):
        caps = self.env["psa.cap"].sudo().search([
            ("order_id", "in", self.ids), ("kind", "=", "purchase_order"), ("closed", "=", False)])
        by_order = {cap.order_id.id: cap for cap in caps}
        for order in self:
            order.psa_purchase_order_cap_id = cap = by_order.get(order._origin.id, caps.browse())
            order.psa_purchase_order_left = cap.left_amount

    # === CRUD: entering it releases what waits === #
    @api.model_create_multi
    def create(self, vals_list):
        orders = super().create(vals_list)
        orders.filtered("psa_purchase_order_amount")._psa_follow_purchase_order({}, {})
        return orders

    def write(self, vals):
        changed = _REPRICING & set(vals)
        amount_changed = "psa_purchase_order_amount" in vals
        if not changed and not amount_changed:
            return super().write(vals)
        numbers = {order.id: order.psa_purchase_order for order in self}
        amounts = {order.id: order.psa_purchase_order_amount for order in self}
        result = super().write(vals)
        if changed - {"psa_purchase_order"} or any(
                bool(numbers[order.id]) != bool(order.psa_purchase_order) for order in self):
            self._psa_decide_again()
        if amount_changed or "psa_purchase_order" in vals:
            self._psa_follow_purchase_order(numbers, amounts)
        return result

    def _psa_decide_again(self):
        """Decide anew about the work of these contracts that is on no invoice."""
        Entry = self.env["psa.entry"].sudo()
        Entry._reprice(Entry.search([
            ("order_id", "in", self.ids), ("billing_state", "=", "to_bill"), ("state", "in", ("approved", "held")),
        ]))

    def _psa_follow_purchase_order(self, numbers, amounts):
        """Keep the cap of the customer's order at its amount.

        :param numbers, amounts: ``{order id: value}`` before the change
        """
        Cap = self.env["psa.cap"].sudo()
        caps = Cap.search([
            ("order_id", "in", self.ids), ("kind", "=", "purchase_order"), ("closed", "=", False),
        ]).grouped("order_id")
        for order in self.sudo():
            cap = caps.get(order, Cap.browse())
            number, amount = order.psa_purchase_order or False, order.psa_purchase_order_amount
            if not amount:
                cap.unlink()
                continue
            renewed = (
                cap and amount != amounts.get(order.id) and number
                and numbers.get(order.id) and number != numbers[order.id]
            )
            if renewed:
                self.env["psa.cap.use"].sudo()._drop_unbilled(cap)
                cap.closed = True
                cap.flush_recordset()
            if cap and not renewed:
                if cap.reference != number:
                    cap.reference = number
                if cap.amount_limit != amount:
                    cap.amount_limit = amount
            else:
                Cap.create({
                    "order_id": order.id, "kind": "purchase_order", "reference": number, "amount_limit": amount,
                })


class PsaEntry(models.Model):
    """Work that the customer's order does not cover waits."""

    _inherit = "psa.entry"

    def _hold_by_terms(self, rows):
        result = super()._hold_by_terms(rows)
        for row in rows:
            if row["state"] != "approved":
                continue
            order = self._order_of(row)
            expiry = order.psa_purchase_order_expiry
            if order.psa_purchase_order_required and not (order.psa_purchase_order or "").strip():
                row["state"], row["reason"] = "held", "po_missing"
            elif expiry and row["work_date"] > expiry:
                row["state"], row["reason"] = "held", "po_expired"
        return result

    def _held_po_missing(self, row):
        order = self._order_of(row)
        return f"po_missing:{order.id}", self.env._(
            "%(customer)s wants their order number on invoices, and %(contract)s has none",
            contract=order.name, customer=order.partner_id.name,
        )

    def _held_po_expired(self, row):
        order = self._order_of(row)
        return f"po_expired:{order.id}:{order.psa_purchase_order_expiry}", self.env._(
            "The order %(number)s of %(customer)s for %(contract)s ended on %(date)s, and work was done after it",
            number=order.psa_purchase_order or "", contract=order.name, customer=order.partner_id.name,
            date=order.psa_purchase_order_expiry,
        )
