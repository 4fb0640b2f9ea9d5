"""Where company, customer and contract say how they are invoiced: layout, smallest invoice, approvals."""

from decimal import Decimal

from odoo import fields, models

from .pricing import decimal_of, round_amount


class ResCompany(models.Model):
    _inherit = "res.company"

    psa_invoice_layout_id = fields.Many2one("psa.invoice.layout", "Invoice Layout", ondelete="set null")
    psa_minimum_invoice = fields.Monetary(
        "Smallest Invoice", help="Before tax. Less is carried forward to the next invoice; 0: no minimum.")
    psa_second_approval_from = fields.Monetary(
        "Second Approval From",
        help="Proposals of this amount or more, before tax, need two approvers; 0: one is always enough.")
    psa_first_approver_id = fields.Many2one(
        "res.users", "Approver", ondelete="set null",
        help="Is asked to approve proposals. Empty: everybody who may.")
    psa_second_approver_id = fields.Many2one(
        "res.users", "Second Approver", ondelete="set null",
        help="Is asked for the second approval. Empty: everybody who may.")


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    psa_invoice_layout_id = fields.Many2one(related="company_id.psa_invoice_layout_id", readonly=False)
    psa_minimum_invoice = fields.Monetary(
        related="company_id.psa_minimum_invoice", readonly=False, currency_field="company_currency_id")
    psa_second_approval_from = fields.Monetary(
        related="company_id.psa_second_approval_from", readonly=False, currency_field="company_currency_id")
    psa_first_approver_id = fields.Many2one(related="company_id.psa_first_approver_id", readonly=False)
    psa_second_approver_id = fields.Many2one(related="company_id.psa_second_approver_id", readonly=False)


class ResPartner(models.Model):
    _inherit = "res.partner"

    psa_invoice_layout_id = fields.Many2one(
        "psa.invoice.layout", "Invoice Layout", company_dependent=True, ondelete="set null",
        help="Empty: the company's.")
    psa_minimum_rule = fields.Selection(
        [("company", "The Company's"), ("own", "Own Amount")], "Smallest Invoice", company_dependent=True,
        help="Empty: the company's.")
    psa_minimum_amount = fields.Float(
        "Smallest Invoice Amount", company_dependent=True,
        help="Before tax, in the company's currency; 0: no minimum for this customer.")


class SaleOrder(models.Model):
    _inherit = "sale.order"

    psa_invoice_layout_id = fields.Many2one(
        "psa.invoice.layout", "Invoice Layout", copy=False, check_company=True, help="Empty: the customer's.")
    psa_minimum_rule = fields.Selection(
        [("customer", "The Customer's"), ("own", "Own Amount")], "Smallest Invoice", required=True,
        default="customer", copy=False)
    psa_minimum_amount = fields.Monetary(
        "Smallest Invoice Amount", copy=False, help="Before tax; 0: no minimum for this contract.")

    # === CRUD === #
    def write(self, vals):
        result = super().write(vals)
        if {"psa_invoice_layout_id", "psa_minimum_rule", "psa_minimum_amount", "psa_invoice_detail"} & set(vals):
            self._psa_outdate_proposals()
        return result

    # === BUSINESS === #
    def _psa_layout(self):
        """Return the layout of this contract's invoices: its own, its customer's, the company's; or none."""
        self.ensure_one()
        customer = self.partner_invoice_id.commercial_partner_id.with_company(self.company_id)
        return (
            self.psa_invoice_layout_id or customer.psa_invoice_layout_id or self.company_id.psa_invoice_layout_id
        ).with_context(lang=self.partner_invoice_id.lang)

    def _psa_minimum(self, day):
        """Return the smallest invoice of this contract, before tax, as a Decimal in its currency; 0: none.

        :param day: date at whose rate an amount in the company's currency counts
        """
        self.ensure_one()
        if self.psa_minimum_rule == "own":
            return decimal_of(self.psa_minimum_amount)
        customer = self.partner_invoice_id.commercial_partner_id.with_company(self.company_id)
        own = customer.psa_minimum_rule == "own"
        amount = customer.psa_minimum_amount if own else self.company_id.psa_minimum_invoice
        if not amount or self.currency_id == self.company_id.currency_id:
            return decimal_of(amount)
        converted = self.company_id.currency_id._convert(amount, self.currency_id, self.company_id, day, round=False)
        return round_amount(Decimal(repr(converted)), self.currency_id)
