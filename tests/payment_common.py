"""A firm with a payment provider: its journals and fee account, invoices, and what the provider reports."""

from datetime import date
from decimal import Decimal
from itertools import count

from odoo import Command

from .apply_common import ApplyCase

_numbers = count(1)
PAID_ON = date(2026, 5, 20)


class PaymentCase(ApplyCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context={**cls.env.context, "allowed_company_ids": [cls.us.id, cls.de.id]})
        cls.env["account.chart.template"].try_loading("generic_coa", company=cls.us, install_demo=False)
        cls.provider, cls.bank = cls.env["account.journal"].create([
            {"name": "Provider", "code": "PROV", "type": "bank", "company_id": cls.us.id},
            {"name": "House Bank", "code": "HOUS", "type": "bank", "company_id": cls.us.id},
        ])
        cls.fees = cls.env["account.account"].with_company(cls.us).search(
            [("account_type", "=", "expense"), ("company_ids", "in", cls.us.ids)], limit=1)
        cls.connection.write({
            "payment_journal_id": cls.provider.id, "payout_journal_id": cls.bank.id, "fee_account_id": cls.fees.id})
        cls.env["res.currency.rate"].search([]).unlink()
        cls.contoso = cls.env["res.partner"].create({"name": "Contoso", "is_company": True})

    def invoice(self, amount=1190.0, currency=None, partner=None, move_type="out_invoice", **values):
        move = self.env["account.move"].with_company(self.us).create({
            "move_type": move_type, "partner_id": (partner or self.contoso).id, "company_id": self.us.id,
            "currency_id": (currency or self.usd).id, "invoice_date": date(2026, 5, 4),
            "invoice_line_ids": [Command.create({
                "name": "Work", "quantity": 1, "price_unit": amount, "tax_ids": [Command.clear()]})],
            **values,
        })
        move.action_post()
        return move

    def credit(self, invoice, amount=None):
        """Return a posted credit note of ``invoice`` that is not reconciled with it."""
        credit = invoice._reverse_moves([{"invoice_date": date(2026, 5, 25)}])
        if amount:
            credit.invoice_line_ids.price_unit = amount
        credit.action_post()
        return credit

    def money(self, kind="payment", amount="1190.00", external_id=None, parents=None, **values):
        """Return the item of one movement at the provider."""
        return self.item("payment", external_id or f"ch_{next(_numbers)}", parents=parents, **{
            "kind": kind, "amount": Decimal(amount), "currency": "USD", "paid_on": PAID_ON, "status": "succeeded",
            "succeeded": True, "customer_name": "Contoso", **values,
        })

    def pay(self, invoice=None, *args, **values):
        """Book a movement and return its payment."""
        if invoice:
            values.setdefault("invoice_reference", invoice.name)
        item = self.run_items(self.money(*args, **values))
        self.assert_state(item, "done")
        return item.record

    def again(self, payment, kind="payment", **values):
        """Run another version of what became ``payment``."""
        return self.run_items(self.money(kind, external_id=payment.payment_reference, **values))

    def balance(self, account):
        """Return what an account holds, in the currency of the company."""
        self.env.flush_all()
        return sum(self.env["account.move.line"].search([
            ("account_id", "=", account.id), ("parent_state", "=", "posted")]).mapped("balance"))

    def held(self):
        """Return what the provider owes us by our books."""
        return self.balance(self.provider.default_account_id)

    def exceptions(self, cause):
        self.env.cr.flush()
        return self.env["psa.exception"].search([("cause_code", "=", cause), ("is_open", "=", True)])
