from odoo import models
from odoo.tools import format_date

from .tools import currencies_by_code, link_key, linked_keys, save, share_prefetch


class PsaApplyCost(models.AbstractModel):
    """Payroll costs -> ``psa.cost.rate``, the history of what an hour of a person costs.

    A row for the same person and day is taken over; a second record of the source for it is held.
    """

    _name = "psa.apply.cost"
    _inherit = "psa.apply"
    _description = "Apply Payroll Costs"
    _canonical_names = {"employee_id": "resource", "date_from": "starts_on", "currency_id": "currency"}

    def _prepare(self, items):
        share_prefetch(items)
        items = [item for item in items if item.ok]
        currencies = currencies_by_code(self.env, {item.values["currency"] for item in items})
        for item in items:
            self._check(item, currencies.get(item.values["currency"]))
        self._match([item for item in items if item.ok])

    def _check(self, item, currency):
        """Hold a cost that cannot be counted in the currency of the person's company."""
        employee = item.parents["resource"]
        own = employee.company_id.currency_id
        names = {"person": employee.name, "currency": item.values["currency"], "company": employee.company_id.name}
        text = None
        if item.values["amount"] < 0:
            text = self.env._("The cost of %(person)s is less than nothing. Correct it at the source.", **names)
        elif not currency:
            text = self.env._(
                "The cost of %(person)s is in “%(currency)s”, which is no currency that Odoo knows.", **names)
        elif currency != own and not currency.rate_ids:
            text = self.env._(
                "The cost of %(person)s is in %(currency)s, and Odoo has no exchange rate to the currency of "
                "%(company)s. Enter one, then retry.", **names)
        if text:
            item.hold("invalid_data", text, key=item.key, company=employee.company_id, record=employee)

    def _match(self, items):
        """Take over the row of the same person and day; hold the second record for it."""
        if not items:
            return
        rows = self.env["psa.cost.rate"].search([
            ("employee_id", "in", [item.parents["resource"].id for item in items]),
            ("date_from", "in", [item.values["starts_on"] for item in items]),
        ])
        linked = linked_keys(items, rows)
        taken = {(row.employee_id.id, row.date_from): row for row in rows}
        seen = {}
        for item in items:
            key = (item.parents["resource"].id, item.values["starts_on"])
            row = taken.get(key, rows.browse())
            rival = seen.setdefault(key, item)
            if rival is not item or (row and row != item.record and (item.record or link_key(item, row) in linked)):
                employee = item.parents["resource"]
                item.hold(
                    "invalid_data",
                    self.env._(
                        "%(person)s has two costs from %(day)s on at the source. Delete the wrong one there.",
                        person=employee.name, day=format_date(self.env, item.values["starts_on"])),
                    key=item.key, company=employee.company_id, record=employee)
            elif row:
                item.record = row

    def _apply(self, items):
        currencies = currencies_by_code(self.env, {item.values["currency"] for item in items})
        values = {
            item: {
                "employee_id": item.parents["resource"].id,
                "date_from": item.values["starts_on"],
                "amount": float(item.values["amount"]),
                "currency_id": currencies[item.values["currency"]].id,
                "source": item.connection.name,
            }
            for item in items
        }
        for item, cost in save(self, "psa.cost.rate", items, values).items():
            item.done(cost)

    def _delete(self, items):
        """A cost deleted at the source does not count any more: the one before it goes on."""
        self.env["psa.cost.rate"].union(*(item.record for item in items if item.record)).unlink()
        for item in items:
            item.done()
