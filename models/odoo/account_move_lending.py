from odoo import fields, models


class AccountMove(models.Model):
    _inherit = "account.move"

    psa_lending_ids = fields.One2many("psa.lending", "move_id", "Lent Hours", readonly=True)
    psa_lending_count = fields.Integer(compute="_compute_psa_lending_count", compute_sudo=True)

    def _compute_psa_lending_count(self):
        counts = dict(self.env["psa.lending"]._read_group(
            [("move_id", "in", self.ids), ("state", "=", "charged")], ["move_id"], ["__count"]))
        for move in self:
            move.psa_lending_count = counts.get(move._origin, 0)

    def _psa_follow(self):
        result = super()._psa_follow()
        invoices = self.sudo().filtered(
            lambda move: move.move_type == "out_invoice" and move.psa_allocation_ids)
        Lending = self.env["psa.lending"].sudo()
        Lending._charge(invoices.filtered(lambda move: move.state == "posted"))
        Lending._undo(invoices.filtered(lambda move: move.state != "posted"))
        return result

    def action_psa_lendings(self):
        """Show the hours of other companies' people on this invoice, with invoice and bill between the companies."""
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_lending")
        return {**action, "domain": [("move_id", "in", self.ids)], "context": {}}
