from odoo import fields, models


class PsaException(models.Model):
    """Where the exceptions of costs lead: the policy, the receipts, the vendor's bill, the exchange rate."""

    _inherit = "psa.exception"

    def _fix_expense_policy(self):
        """The policy that keeps the expenses back; a new one of the contract once it is gone."""
        parts = self._subject_parts("expense_policy", 3)
        if not parts:
            return self._fix_contract()
        policy = self.env["psa.expense.policy"].browse(int(parts[1])).exists()
        return self._open(policy, context={
            "default_order_id": self.order_id.id, "default_company_id": self.company_id.id})

    def _fix_receipt(self):
        """The expenses whose receipts are missing: attach them there."""
        expenses = self.entry_ids.filtered(lambda entry: entry.reason == "receipt_missing").expense_id
        return self._open(expenses, self.env._("Expenses without Receipt")) if expenses else self._fix_record()

    def _fix_vendor_bill(self):
        """The vendor's bill to post; for what is only ordered the purchase order, where the bill is made."""
        bills = self.entry_ids.vendor_line_id.move_id
        if bills:
            return self._open(bills, self.env._("Vendor Bills"))
        purchases = self.entry_ids.purchase_line_id.order_id
        return self._open(purchases, self.env._("Purchase Orders")) if purchases else self._fix_record()

    def _fix_exchange_rate(self):
        """A new exchange rate of the day and currency that are missing: the contract's own, or Odoo's."""
        parts = self._subject_parts("exchange", 3)
        if not parts:
            return self._fix_contract()
        order_id, currency_id, day = parts
        action = {
            "type": "ir.actions.act_window",
            "name": self.env._("New Exchange Rate"),
            "view_mode": "form",
            "views": [(False, "form")],
        }
        if not day:
            return {
                **action, "res_model": "psa.exchange.rate", "target": "new",
                "context": {"default_order_id": int(order_id), "default_currency_id": int(currency_id)},
            }
        day, root = fields.Date.to_date(day), self.company_id.root_id
        currencies = self.env["res.currency"].browse(int(currency_id)) | self.order_id.currency_id
        rates = self.env["psa.exchange.rate"]._rates_on({(root.id, currency.id, day) for currency in currencies})
        lacking = currencies.filtered(lambda currency: not rates[root.id, currency.id, day])
        return {
            **action, "res_model": "res.currency.rate",
            "context": {
                "default_currency_id": (lacking or currencies)[:1].id,
                "default_name": min(day, fields.Date.context_today(self)),
                "default_company_id": root.id,
            },
        }
