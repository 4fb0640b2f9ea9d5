"""Contracts whose lines charge by themselves, on a day that the test chooses."""

from datetime import date

from freezegun import freeze_time

from odoo import Command

from .billing_common import BillingCase


class ChargeCase(BillingCase):
    """The small firm of the billing tests with the products of fees, progress and retainers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for method in ("recurring", "progress", "retainer", "prepaid"):
            product = cls.products[method] = cls.env.ref(f"psa_hub.product_{method}")
            product.taxes_id = [Command.link(cls.tax.id)]

    def at(self, day):
        """From here on it is ``day``."""
        if getattr(self, "_freezer", None):
            self._thaw()
        else:
            self.addCleanup(self._thaw)
        self._freezer = freeze_time(f"{day} 12:00:00")
        self._freezer.start()

    def _thaw(self):
        self._freezer.stop()

    def setUp(self):
        super().setUp()
        self.at("2026-01-01")

    def fee(self, price=1000.0, quantity=1, method="recurring", start=date(2026, 1, 1), order=None, **terms):
        """Return the line of a new contract (or a new line of ``order``) that charges a fee."""
        values = {"psa_date_start": start, "psa_interval": "month", **terms}
        if not order:
            return self.make_contract((method, quantity, price, values)).order_line
        return self.env["sale.order.line"].create({
            "order_id": order.id, "product_id": self.products[method].id, "name": f"{method} more",
            "product_uom_qty": quantity, "price_unit": price, "technical_price_unit": 0.0,
            "psa_billing_method": method, **values,
        })

    def charge(self, lines, until):
        self.env["psa.charge"]._charge(lines, until)
        return self.charges(lines)

    def charges(self, lines):
        return self.env["psa.charge"].search(
            [("order_line_id", "in", lines.ids), ("state", "=", "charged")], order="date_from")

    def amounts(self, lines):
        return [(str(charge.date_from), charge.amount) for charge in self.charges(lines)]
