from odoo import api, models

from ..billing.pricing import decimal_of

# What an expense policy looks at.
_POLICY_FIELDS = {"product_id", "tax_ids", "total_amount_currency", "total_amount", "quantity", "currency_id"}


class HrExpense(models.Model):
    _inherit = "hr.expense"

    def write(self, vals):
        result = super().write(vals)
        if _POLICY_FIELDS & set(vals):
            self._psa_reprice()
        return result

    def _psa_reprice(self):
        """Look again at the entries of these expenses that are on no invoice."""
        Entry = self.env["psa.entry"].sudo()
        Entry._reprice(Entry.search([
            ("expense_id", "in", self.ids), ("billing_state", "=", "to_bill"), ("state", "!=", "withdrawn"),
        ]))

    def _psa_cost(self, basis):
        """Return what was paid, as a Decimal in the expense's currency.

        :param basis: ``gross`` with tax; ``net`` without the tax that the company gets back: what its tax posts to an
            account of its own. Tax that stays with the cost is a cost.
        """
        self.ensure_one()
        paid = decimal_of(self.total_amount_currency)
        if basis == "gross" or not self.tax_ids:
            return paid
        Tax, company = self.env["account.tax"], self.company_id
        base_line = self._prepare_base_line_for_taxes_computation(price_unit=self.total_amount_currency, quantity=1.0)
        Tax._add_tax_details_in_base_line(base_line, company)
        Tax._round_base_lines_tax_details([base_line], company)
        Tax._add_accounting_data_to_base_line_tax_details(base_line, company)
        recoverable = sum(
            part["tax_amount_currency"]
            for tax in base_line["tax_details"]["taxes_data"]
            for part in tax["tax_reps_data"] if part["tax_rep"].account_id
        )
        return paid - decimal_of(self.currency_id.round(recoverable))


class IrAttachment(models.Model):
    """A receipt that is attached, moved or removed reaches the expense that waits for it, in the same transaction."""

    _inherit = "ir.attachment"

    @api.model_create_multi
    def create(self, vals_list):
        attachments = super().create(vals_list)
        attachments._psa_receipts()._psa_reprice()
        return attachments

    def write(self, vals):
        if not {"res_model", "res_id"} & set(vals):
            return super().write(vals)
        before = self._psa_receipts()
        result = super().write(vals)
        (before | self._psa_receipts())._psa_reprice()
        return result

    def unlink(self):
        expenses = self._psa_receipts()
        result = super().unlink()
        expenses._psa_reprice()
        return result

    def _psa_receipts(self):
        """Return the expenses that these attachments belong to."""
        return self.env["hr.expense"].sudo().browse({
            attachment.res_id for attachment in self.sudo()
            if attachment.res_model == "hr.expense" and attachment.res_id and not attachment.res_field
        })
