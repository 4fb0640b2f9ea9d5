from odoo import api, fields, models
from odoo.fields import Command

from ..models.amendments.as_of import SECTIONS


class PsaContractAsOf(models.TransientModel):
    """The contract on a chosen day: rates, lines, caps, order and clauses, each with the amendment it comes from."""

    _name = "psa.contract.as.of"
    _description = "Contract as of a Day"

    order_id = fields.Many2one("sale.order", "Contract", required=True, readonly=True, ondelete="cascade")
    day = fields.Date("As Of", required=True, default=fields.Date.context_today)
    company_id = fields.Many2one(related="order_id.company_id")
    currency_id = fields.Many2one(related="order_id.currency_id")
    amendment_id = fields.Many2one("psa.amendment", "Version in Force", compute="_compute_rows", store=True)
    row_ids = fields.One2many(
        "psa.contract.as.of.row", "as_of_id", "What Is Agreed", compute="_compute_rows", store=True)

    @api.depends("order_id", "day")
    def _compute_rows(self):
        for wizard in self:
            order = wizard.order_id._origin
            if not order or not wizard.day:
                wizard.amendment_id = wizard.row_ids = False
                continue
            order._psa_check_readable()
            wizard.amendment_id = order.sudo().psa_amendment_ids._version_on(wizard.day)
            wizard.row_ids = [Command.clear(), *(
                Command.create({**row, "sequence": index})
                for index, row in enumerate(order._psa_as_of(wizard.day))
            )]

    def action_price_under(self):
        """Price the contract's entries under the version of this day."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Price under the Version of Another Day"),
            "res_model": "psa.price.under",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_order_id": self.order_id.id, "default_day": fields.Date.to_string(self.day),
                "dialog_size": "extra-large",
            },
        }


class PsaContractAsOfRow(models.TransientModel):
    _name = "psa.contract.as.of.row"
    _description = "Contract as of a Day: Row"
    _order = "sequence, id"

    as_of_id = fields.Many2one("psa.contract.as.of", required=True, ondelete="cascade")
    sequence = fields.Integer()
    section = fields.Selection(SECTIONS, readonly=True)
    name = fields.Char("What", readonly=True)
    value = fields.Text(readonly=True)
    amount = fields.Monetary(readonly=True)
    currency_id = fields.Many2one(related="as_of_id.currency_id")
    amendment_id = fields.Many2one("psa.amendment", readonly=True)
    clause = fields.Char(readonly=True)
