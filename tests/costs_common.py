"""Expenses, vendors and exchange rates for the tests of costs that are passed on."""

from datetime import date
from decimal import Decimal

from odoo import Command

from .billing_common import BillingCase


class CostsCase(BillingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.products["pass_through"] = cls.env.ref("psa_hub.product_pass_through")
        cls.products["pass_through"].taxes_id = [Command.link(cls.tax.id)]
        cls.usd, cls.eur, cls.gbp = (cls.env.ref(f"base.{code}") for code in ("USD", "EUR", "GBP"))
        (cls.usd | cls.eur | cls.gbp).active = True
        cls.env["res.currency.rate"].search([]).unlink()
        cls.travel, cls.meals = cls.env["product.product"].create([
            {"name": name, "can_be_expensed": True, "type": "service", "standard_price": 0.0,
             "supplier_taxes_id": [Command.clear()]}
            for name in ("Travel", "Meals")
        ])
        cls.vendor = cls.env["res.partner"].create({"name": "Subcontractor Ltd"})

    # === MAKING THINGS === #
    @classmethod
    def make_policy(cls, **values):
        return cls.env["psa.expense.policy"].create({"company_id": cls.company.id, **values})

    @classmethod
    def make_expense(
        cls, order, amount, product=None, day=date(2026, 5, 4), employee=None, currency=None, paid=None, tax=None,
        **values,
    ):
        """Return the entry of an approved expense; ``amount`` is what the source bills, ``paid`` what was paid."""
        expense = cls.env["hr.expense"].create({
            "name": "Train",
            "employee_id": (employee or cls.ada).id,
            "product_id": (product or cls.travel).id,
            "date": day,
            "total_amount_currency": amount if paid is None else paid,
            "currency_id": (currency or order.currency_id).id,
            "company_id": cls.company.id,
            "tax_ids": [Command.set(tax.ids if tax else [])],
        })
        return cls.sync_expense(order, expense, amount, currency=currency, **values)

    @classmethod
    def sync_expense(cls, order, expense, amount, currency=None, **values):
        return cls.env["psa.entry"]._sync("expense", [{
            "source": expense,
            "order_id": order.id,
            "order_line_id": None,
            "project_id": cls.project_of(order).id,
            "employee_id": expense.employee_id.id,
            "role_id": None,
            "work_date": expense.date,
            "quantity": 1,
            "currency_id": (currency or order.currency_id).id,
            "fixed_amount": Decimal(str(amount)),
            "approved": True,
            "billable": True,
            "source_blocked": "",
            "description": expense.name,
            "source_amount": amount,
            "message_id": None,
            **values,
        }])

    @classmethod
    def make_exchange(cls, currency, day, value):
        """Enter Odoo's rate: what one unit of ``currency`` is in the company's."""
        return cls.env["res.currency.rate"].create({
            "currency_id": currency.id, "name": day, "inverse_company_rate": value, "company_id": cls.company.id,
        })

    @classmethod
    def attach_receipt(cls, entry, **values):
        return cls.env["ir.attachment"].create({
            "name": "receipt.pdf", "raw": b"receipt", "res_model": "hr.expense", "res_id": entry.expense_id.id,
            **values,
        })

    @classmethod
    def make_purchase(cls, order, *lines, confirm=True, **values):
        """Return a purchase order for the contract's project; ``lines`` are ``(quantity, price)``."""
        purchase = cls.env["purchase.order"].create({
            "partner_id": cls.vendor.id,
            "company_id": cls.company.id,
            "project_id": cls.project_of(order).id if order else False,
            "order_line": [
                Command.create({
                    "product_id": cls.products["pass_through"].id, "name": "Penetration test",
                    "product_qty": quantity, "price_unit": price, "tax_ids": [Command.clear()],
                    "date_planned": "2026-05-08 12:00:00",
                })
                for quantity, price in lines
            ],
            **values,
        })
        if confirm:
            purchase.button_confirm()
        return purchase

    @classmethod
    def make_bill(cls, *lines, day=date(2026, 5, 11), post=False, move_type="in_invoice", **values):
        """Return a vendor bill; ``lines`` are ``(price, dict of more line values)``."""
        bill = cls.env["account.move"].create({
            "move_type": move_type,
            "partner_id": cls.vendor.id,
            "invoice_date": day,
            "company_id": cls.company.id,
            "invoice_line_ids": [
                Command.create({
                    "product_id": cls.products["pass_through"].id, "name": "Penetration test", "quantity": 1,
                    "price_unit": price, "tax_ids": [Command.clear()], **more,
                })
                for price, more in lines
            ],
            **values,
        })
        if post:
            bill.action_post()
        return bill

    @classmethod
    def bill_purchase(cls, purchase, day=date(2026, 5, 11), **quantities):
        """Return the draft bill of all that is left on a purchase order."""
        for line in purchase.order_line:
            line.qty_received = line.product_qty
        purchase.action_create_invoice()
        bill = purchase.invoice_ids.sorted("id")[-1:]
        bill.invoice_date = day
        return bill

    def open_exceptions(self, cause):
        return self.env["psa.exception"].search([("cause_code", "=", cause), ("is_open", "=", True)])

    def assertHeld(self, entry, reason, cause, risk):
        self.assertEqual((entry.state, entry.reason), ("held", reason))
        self.assertEqual(entry.exception_id.cause_code, cause)
        self.assertAlmostEqual(entry.exception_id.amount, risk, 2)

    def assertLines(self, move, *lines):
        """The invoice says exactly these ``(contract line's method, quantity, subtotal)``."""
        self.assertEqual([
            (line.sale_line_ids.psa_billing_method, line.quantity, line.price_subtotal)
            for line in move.invoice_line_ids.sorted("sequence")
        ], list(lines))
