from odoo import api, fields, models
from odoo.tools import SQL


class SaleOrder(models.Model):
    """A contract and its versions: the original is version 0, each amendment in force one more."""

    _inherit = "sale.order"

    psa_date_end = fields.Date("Contract Ends On", copy=False, help="Last day that was agreed. Empty: open end.")
    psa_amendment_ids = fields.One2many("psa.amendment", "order_id", "Amendments", copy=False)
    psa_amendment_count = fields.Integer(compute="_compute_psa_amendments")
    psa_amendment_id = fields.Many2one(
        "psa.amendment", "Version in Force", compute="_compute_psa_amendments",
        help="The latest amendment that is in force today. Empty: the contract as it was signed first.",
    )
    # Written whenever an amendment comes into force, so that two at one time meet on this row.
    psa_amended_at = fields.Datetime("Last Amended", copy=False, readonly=True)

    @api.depends("psa_amendment_ids.state", "psa_amendment_ids.date_effective")
    def _compute_psa_amendments(self):
        today = fields.Date.context_today(self)
        amendments = self.env["psa.amendment"].sudo().search([("order_id", "in", self.ids)]).grouped("order_id")
        for order in self:
            own = amendments.get(order._origin, self.env["psa.amendment"])
            order.psa_amendment_count = len(own)
            order.psa_amendment_id = own._version_on(today)

    # === ACTIONS === #
    def action_psa_amendments(self):
        """Show the amendments of this contract."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Amendments of %s", self.name),
            "res_model": "psa.amendment",
            "view_mode": "list,kanban,form",
            "domain": [("order_id", "=", self.id)],
            "context": {"default_order_id": self.id},
        }

    def action_psa_new_amendment(self):
        """Open a new amendment of this contract."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New Amendment of %s", self.name),
            "res_model": "psa.amendment",
            "view_mode": "form",
            "context": {"default_order_id": self.id},
        }

    def action_psa_as_of(self):
        """Open the contract as it is, was or will be on a day."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("%s as of", self.name),
            "res_model": "psa.contract.as.of",
            "view_mode": "form",
            "target": "new",
            "context": {"default_order_id": self.id, "dialog_size": "extra-large"},
        }

    # === LINES === #
    def _psa_ensure_adjustment_lines(self):
        """Give each of these contracts a line that differences are billed on.

        Ordered quantity and price are zero: only what is billed counts, and the order's total stays what was sold.
        """
        product = self.env.ref("psa_hub.product_adjustment")
        found = self.env["sale.order.line"].sudo().search([
            ("order_id", "in", self.ids), ("psa_billing_method", "=", "adjustment"), ("display_type", "=", False)])
        missing = self - found.order_id
        return found | self.env["sale.order.line"].sudo().with_context(sale_no_log_for_new_lines=True).create([
            {
                "order_id": order.id,
                "product_id": product.id,
                "name": product.with_context(lang=order.partner_id.lang).name,
                "product_uom_qty": 0.0,
                "price_unit": 0.0,
                "technical_price_unit": 0.0,
                "psa_billing_method": "adjustment",
                "sequence": 910,
            }
            for order in missing
        ])

    def _psa_lock_for_amendment(self):
        """Let one amendment at a time change these contracts; a transaction that comes second begins again."""
        self.env.flush_all()
        self.env.execute_query(
            SQL("SELECT id FROM sale_order WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", self.ids))
        self.psa_amended_at = fields.Datetime.now()
