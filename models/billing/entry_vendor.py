from odoo import api, fields, models

from .pricing import decimal_of

BILL_STATES = [
    ("ordered", "Ordered, no Bill Yet"),
    ("draft", "Bill in Draft"),
    ("posted", "Bill Posted"),
    ("cancel", "Bill Cancelled"),
]


class PsaEntry(models.Model):
    """Vendors' costs passed on: tied to the line of the vendor's bill, or, before there is one, of the purchase order.

    An entry stands for one of the two. The first bill line of an ordered line takes its entry over; what is ordered
    beyond the bills stays an entry of its own.
    """

    _inherit = "psa.entry"

    # === FIELDS === #
    vendor_line_id = fields.Many2one("account.move.line", "Vendor's Bill Line", readonly=True, ondelete="set null")
    purchase_line_id = fields.Many2one("purchase.order.line", "Ordered Line", readonly=True, ondelete="set null")
    vendor_bill_id = fields.Many2one(related="vendor_line_id.move_id", string="Vendor's Bill")
    purchase_order_id = fields.Many2one(
        "purchase.order", compute="_compute_vendor_tie", compute_sudo=True)
    vendor_id = fields.Many2one("res.partner", compute="_compute_vendor_tie", compute_sudo=True)
    vendor_bill_state = fields.Selection(
        BILL_STATES, "Vendor's Bill Is", compute="_compute_vendor_tie", compute_sudo=True)
    ordered_amount = fields.Monetary(
        "Ordered", currency_field="cost_currency_id", compute="_compute_vendor_tie", compute_sudo=True,
        help="What the purchase order line says, before tax.",
    )
    vendor_amount = fields.Monetary(
        "Vendor's Cost", currency_field="cost_currency_id", compute="_compute_vendor_tie", compute_sudo=True,
        help="What the vendor's bill says, before tax; without a bill what is ordered beyond the bills.",
    )

    _vendor_line_uniq = models.UniqueIndex("(vendor_line_id) WHERE vendor_line_id IS NOT NULL")
    _purchase_line_uniq = models.UniqueIndex("(purchase_line_id) WHERE purchase_line_id IS NOT NULL")
    _one_vendor_source = models.Constraint(
        "CHECK (vendor_line_id IS NULL OR purchase_line_id IS NULL)",
        "A cost stands for the vendor's bill or for the purchase order, not for both.",
    )

    # === COMPUTE === #
    @api.depends(
        "agreed_amount", "vendor_line_id.move_id.state", "vendor_line_id.move_id.partner_id",
        "vendor_line_id.purchase_line_id", "purchase_line_id.price_subtotal", "purchase_line_id.order_id.partner_id",
    )
    def _compute_vendor_tie(self):
        for entry in self:
            bill_line = entry.vendor_line_id
            ordered = entry.purchase_line_id or bill_line.purchase_line_id
            entry.purchase_order_id = ordered.order_id
            entry.vendor_id = bill_line.move_id.partner_id or ordered.order_id.partner_id
            entry.vendor_bill_state = bill_line.move_id.state or ("ordered" if ordered else False)
            entry.ordered_amount = ordered.price_subtotal
            entry.vendor_amount = entry.agreed_amount if bill_line or ordered else 0.0

    # === SOURCES === #
    @api.model
    def _source_field(self, kind, rows):
        if kind == "pass_through" and any(row["source"]._name == "purchase.order.line" for row in rows):
            return "purchase_line_id"
        return super()._source_field(kind, rows)

    def _source_record(self):
        if self.kind == "pass_through":
            return self.vendor_line_id or self.purchase_line_id
        return super()._source_record()

    def _as_spec(self):
        """A vendor's cost is read from its bill or order each time: they are in Odoo's own books."""
        source = self.kind == "pass_through" and self._source_record()
        if not source:
            return super()._as_spec()
        spec = source._psa_cost_specs()[source]
        return spec if spec["order_id"] else {**spec, "order_id": self.order_id, "deleted": True}

    @api.model
    def _insert(self, vals_list, source_field):
        inserted = super()._insert(vals_list, source_field)
        if vals_list and source_field == "vendor_line_id":
            for model_name in ("account.move.line", "account.move"):
                self.env[model_name].invalidate_model(["psa_vendor_entry_ids"])
            self.env["account.move"].invalidate_model(["psa_vendor_entry_count"])
        return inserted

    # === FOLLOWING BILLS AND ORDERS === #
    @api.model
    def _follow_bill_lines(self, lines, gone=False):
        """Bring the entries of vendor bill lines up to date.

        :param lines: ``account.move.line``; those that are no cost are left alone
        :param gone: whether they are about to be deleted
        """
        Entry = self.sudo()
        lines = lines.sudo()._psa_costs()
        if not lines:
            return
        entries = {entry.vendor_line_id: entry for entry in Entry.search([("vendor_line_id", "in", lines.ids)])}
        of_orders = {
            entry.purchase_line_id: entry
            for entry in Entry.search([("purchase_line_id", "in", lines.purchase_line_id.ids)])}
        specs = []
        for line, spec in lines._psa_cost_specs().items():
            entry, ordered, move = entries.get(line), line.purchase_line_id, line.move_id
            lost = gone or move.state == "cancel"
            if entry and lost and ordered.order_id.state == "purchase" and ordered not in of_orders:
                # The order still stands: its entry waits for another bill.
                entry.write({"vendor_line_id": False, "purchase_line_id": ordered.id})
                of_orders[ordered] = entry
                continue
            if not entry and not lost and line.psa_contract_id and move.move_type == "in_invoice":
                entry = of_orders.pop(ordered, None)
                if entry:
                    entry.write({"vendor_line_id": line.id, "purchase_line_id": False})
            if entry and (lost or not spec["order_id"] or not spec["fixed_amount"]):
                specs.append({**spec, "order_id": spec["order_id"] or entry.order_id, "deleted": True})
            elif spec["order_id"] and spec["fixed_amount"] and not lost:
                specs.append(spec)
        if specs:
            Entry._sync("pass_through", specs)
        Entry._tell_divided(lines, gone)
        if not gone:
            Entry._follow_purchase_lines(lines.purchase_line_id)

    @api.model
    def _tell_divided(self, lines, gone):
        """Keep an exception for each cost that several contracts would bear, with the money, until one is chosen."""
        desk = self.env["psa.exception"]
        divided = lines.browse() if gone else lines._psa_divided().filtered(
            lambda line: line.move_id.state != "cancel" and line.price_subtotal)
        desk._raise([
            {
                "cause": "no_contract",
                "subject_key": f"vendor_line:{line.id}",
                "text": self.env._(
                    "“%(line)s” on a bill of %(vendor)s is distributed to several contracts: choose who bears it",
                    line=(line.name or "").split("\n")[0], vendor=line.move_id.partner_id.name),
                "company_id": line.company_id.id,
                "amount": line.price_subtotal,
                "currency_id": line.currency_id.id,
                "res_model": "account.move",
                "res_id": line.move_id.id,
            }
            for line in divided
        ])
        desk.search([
            ("cause_id", "=", desk.env["psa.exception.cause"]._ids_by_code()["no_contract"]), ("is_open", "=", True),
            ("subject_key", "in", [f"vendor_line:{line.id}" for line in lines - divided]),
        ])._close("resolved")

    @api.model
    def _follow_purchase_lines(self, lines):
        """Bring the entries of what is ordered and on no bill up to date."""
        Entry = self.sudo()
        lines = lines.sudo().filtered(lambda line: not line.display_type)
        if not lines:
            return
        entries = {entry.purchase_line_id: entry for entry in Entry.search([("purchase_line_id", "in", lines.ids)])}
        specs = []
        for line, spec in lines._psa_cost_specs().items():
            entry = entries.get(line)
            if entry and not spec["order_id"]:
                specs.append({**spec, "order_id": entry.order_id, "deleted": True})
            elif spec["order_id"] and (entry or not spec["deleted"]):
                specs.append(spec)
        if specs:
            Entry._sync("pass_through", specs)

    # === STANDING === #
    def _standing(self, row):
        """Hold a cost whose bill is not posted, unless its contract line bills it before."""
        if row["kind"] != "pass_through" or row["approved"] or row["deleted"]:
            return super()._standing(row)
        line = self.env["sale.order.line"].browse(row["order_line_id"] or ())
        if line.psa_before_bill:
            row["approved"] = row["before_bill"] = True
            return super()._standing(row)
        state, reason = super()._standing({**row, "approved": True})
        return ("held", "bill_not_in") if state == "approved" else (state, reason)

    # === PRICE === #
    def _markup(self, row):
        if row["kind"] == "pass_through":
            return decimal_of(self.env["sale.order.line"].browse(row["order_line_id"] or ()).psa_markup_percent)
        return super()._markup(row)

    def _cost_trace(self, row):
        trace = super()._cost_trace(row)
        if row["kind"] == "pass_through" and row["source"]:
            trace.update(row["source"]._psa_cost_words(row["cost"]))
            if row.get("before_bill"):
                trace["vendor_bill_is"] = "not_posted_yet"
        return trace

    def _follow_delivered(self):
        result = super()._follow_delivered()
        self.order_line_id.filtered(lambda line: line.psa_billing_method == "pass_through")._psa_follow_expenses()
        return result

    # === WHY HELD === #
    def _held_bill_not_in(self, row):
        order, source = self._order_of(row), row["source"]
        words = {"contract": order.name, "customer": order.partner_id.name}
        if source._name == "account.move.line":
            bill = source.move_id
            return f"vendor_bill:{bill.id}", self.env._(
                "The bill of %(vendor)s for %(contract)s of %(customer)s is not posted yet",
                vendor=bill.partner_id.name or self.env._("a vendor"), **words), bill
        purchase = source.order_id
        return f"vendor_order:{purchase.id}", self.env._(
            "%(vendor)s has not sent the bill for %(purchase)s, which %(contract)s of %(customer)s pays for",
            vendor=purchase.partner_id.name, purchase=purchase.name, **words), purchase


class SaleOrderLine(models.Model):
    """How a contract line passes vendors' costs on."""

    _inherit = "sale.order.line"

    psa_markup_percent = fields.Float(
        "Mark-up (%)", digits=(16, 4), help="On top of what a vendor bills, before tax.")
    psa_before_bill = fields.Boolean(
        "Bill before the Vendor's Bill",
        help="Bill what is ordered, or on a draft bill, without waiting for the vendor's posted bill. It is flagged "
        "until the bill is in; a difference is an exception.",
    )

    def write(self, vals):
        result = super().write(vals)
        if {"psa_markup_percent", "psa_before_bill"} & set(vals):
            Entry = self.env["psa.entry"].sudo()
            Entry._reprice(Entry.search([
                ("order_line_id", "in", self.ids), ("kind", "=", "pass_through"), ("billing_state", "=", "to_bill"),
            ]))
        return result


class PsaProposal(models.Model):
    """What a proposal and its invoice say of costs passed on."""

    _inherit = "psa.proposal"

    def _line_values(self, entry, labels, taken, period_start):
        values = super()._line_values(entry, labels, taken, period_start)
        if values["decision"] == "in" and entry.kind == "pass_through" and entry.vendor_bill_state != "posted":
            early = self.env._("The vendor's bill is not in yet")
            values["reason"] = f"{values['reason']}; {early}" if values["reason"] else early
        return values
