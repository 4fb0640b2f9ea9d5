from odoo import api, fields, models

from .company import LATE_POLICIES


class SaleOrder(models.Model):
    """Holds and the rule for late work, on the contract."""

    _inherit = "sale.order"

    psa_late_policy = fields.Selection(
        LATE_POLICIES, "Late Work", copy=True,
        help="What happens to work that arrives after its period was closed. Empty: as the company does.")
    psa_hold_ids = fields.One2many("psa.hold", "order_id", "Holds", readonly=True)
    psa_on_hold = fields.Boolean("On Hold", compute="_compute_psa_on_hold", compute_sudo=True)
    psa_hold_text = fields.Text("Why on Hold", compute="_compute_psa_on_hold", compute_sudo=True)

    @api.depends("psa_contract", "partner_invoice_id")
    def _compute_psa_on_hold(self):
        """Live, for whatever number of contracts: one query a kind of hold."""
        found = self.env["psa.hold"]._find(self.filtered("psa_contract")._origin)
        for order in self:
            holds = found.get(order._origin.id, [])
            order.psa_on_hold = bool(holds)
            order.psa_hold_text = "\n".join(hold.text for hold in holds) or False

    def action_psa_hold(self):
        """Ask for the reason, then hold this contract."""
        return self.env["psa.reason"]._ask_for("hold", self)

    def action_psa_hold_customer(self):
        """Ask for the reason, then hold the customer of this contract."""
        partner = (self.partner_invoice_id or self.partner_id).commercial_partner_id
        return self.env["psa.reason"]._ask_for("hold", partner)

    def action_psa_bill(self):
        """A billing run for these contracts."""
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Billing Run"),
            "res_model": "psa.billing.run",
            "view_mode": "form",
            "views": [(False, "form")],
            "context": {
                "default_order_ids": self.filtered("psa_contract").ids,
                "default_company_ids": self.company_id.ids,
            },
        }


class ResPartner(models.Model):
    """A customer can be held; a changed credit limit is seen at once."""

    _inherit = "res.partner"

    psa_hold_ids = fields.One2many(
        "psa.hold", "partner_id", "Billing Holds", readonly=True, groups="psa_hub.group_auditor")
    psa_open_hold_count = fields.Integer(
        "Open Holds", compute="_compute_psa_open_hold_count", groups="psa_hub.group_auditor")

    @api.depends("psa_hold_ids.released_at")
    def _compute_psa_open_hold_count(self):
        families = {partner: partner.commercial_partner_id for partner in self}
        counts = dict(self.env["psa.hold"]._read_group(
            [("partner_id", "in", self.commercial_partner_id.ids), ("released_at", "=", False)],
            ["partner_id"], ["__count"]))
        for partner, family in families.items():
            partner.psa_open_hold_count = counts.get(family, 0)

    def write(self, vals):
        result = super().write(vals)
        if "credit_limit" in vals:
            holds = self.env["psa.hold"].sudo().search([
                ("kind", "=", "credit_limit"), ("released_at", "=", False),
                ("partner_id", "in", self.commercial_partner_id.ids),
            ])
            holds._follow(holds.order_id)
        return result

    def action_psa_holds(self):
        """The holds of this customer, open ones first."""
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_hold")
        return {**action, "domain": [("partner_id", "in", self.commercial_partner_id.ids)], "context": {}}

    def action_psa_hold(self):
        """Ask for the reason, then hold this customer in the current company."""
        return self.env["psa.reason"]._ask_for("hold", self.commercial_partner_id)
