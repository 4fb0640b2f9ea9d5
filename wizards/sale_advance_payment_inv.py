from odoo import models
from odoo.exceptions import UserError


class SaleAdvancePaymentInv(models.TransientModel):
    _inherit = "sale.advance.payment.inv"

    def create_invoices(self):
        """For contracts that PSA Hub bills, "Create Invoice" opens the billing proposal."""
        contracts = self.sale_order_ids.filtered("psa_contract")
        if not contracts:
            return super().create_invoices()
        if others := self.sale_order_ids - contracts:
            raise UserError(self.env._(
                "%(contracts)s are billed by PSA Hub and %(others)s are not: invoice them one after the other.",
                contracts=", ".join(contracts.mapped("name")),
                others=", ".join(others.mapped("name")),
            ))
        return contracts.action_psa_propose()

    def _create_invoices(self, sale_orders):
        if self.advance_payment_method != "delivered" and sale_orders.filtered("psa_contract"):
            raise UserError(self.env._(
                "Contracts billed by PSA Hub have no down payments: sell a fixed fee or a milestone instead."))
        return super()._create_invoices(sale_orders)
