from collections import defaultdict
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from .entry import QUANTITY_DIGITS
from .presentation import group_sum, line_figures
from .pricing import decimal_of, plain, round_amount

_FOLLOWING = ("draft", "posted")


class PsaLending(models.Model):
    """Hours of one company's people on another one's contract: charged between the two, once an entry.

    When the customer's invoice is posted, the invoice of the lender and the bill of the borrower are made and posted in
    the same transaction; when it is reset or cancelled, both are cancelled. A credit to the customer leaves them: the
    work was done, and it is not charged again when it is billed again.
    """

    _name = "psa.lending"
    _description = "Lent Hours"
    _order = "id desc"

    # === FIELDS === #
    entry_id = fields.Many2one("psa.entry", required=True, index=True, readonly=True, ondelete="restrict")
    provider_company_id = fields.Many2one(
        "res.company", "Lends", required=True, index=True, readonly=True, ondelete="restrict")
    receiver_company_id = fields.Many2one(
        "res.company", "Borrows", required=True, index=True, readonly=True, ondelete="restrict")
    transfer_price_id = fields.Many2one("psa.transfer.price", readonly=True, ondelete="set null")
    employee_id = fields.Many2one(related="entry_id.employee_id")
    work_date = fields.Date(related="entry_id.work_date", store=True, precompute=True)
    quantity = fields.Float("Hours", digits=QUANTITY_DIGITS, readonly=True)
    amount = fields.Monetary(readonly=True, help="Before tax, between the companies.")
    currency_id = fields.Many2one("res.currency", required=True, readonly=True, ondelete="restrict")
    trace = fields.Json("Why This Amount", readonly=True)
    move_id = fields.Many2one(
        "account.move", "Customer's Invoice", required=True, index=True, readonly=True, ondelete="restrict")
    invoice_id = fields.Many2one(
        "account.move", "Lender's Invoice", readonly=True, index="btree_not_null", ondelete="set null")
    bill_id = fields.Many2one(
        "account.move", "Borrower's Bill", readonly=True, index="btree_not_null", ondelete="set null")
    state = fields.Selection(
        [("charged", "Charged"), ("cancel", "Cancelled")], required=True, readonly=True, default="charged")

    _charged_once = models.UniqueIndex(
        "(entry_id) WHERE state = 'charged'", "These hours were charged between the companies already.")

    # === COMPUTE === #
    @api.depends("entry_id")
    def _compute_display_name(self):
        for lending in self:
            lending.display_name = lending.entry_id.sudo().display_name  # the lender does not read the borrower's work

    # === CHARGING === #
    @api.model
    def _charge(self, moves):
        """Charge the lent hours on posted customer invoices that were not charged before.

        :param moves: posted ``out_invoice``
        :raise UserError: when a transfer price is gone
        """
        entries = moves.psa_allocation_ids.filtered(
            lambda allocation: allocation.kind == "invoice" and allocation.entry_id.kind == "time").entry_id
        lent = entries.filtered(lambda entry: entry.employee_id.sudo().company_id not in (entry.company_id, False))
        charged = self.search([("entry_id", "in", lent.ids), ("state", "=", "charged")]).entry_id
        lent -= charged
        if not lent:
            return
        terms = self.env["psa.transfer.price"]._find([
            (entry.employee_id.company_id.id, entry.company_id.id, entry.role_id.id, entry.work_date)
            for entry in lent
        ])
        move_by_entry = {
            allocation.entry_id: allocation.move_id
            for allocation in moves.psa_allocation_ids if allocation.entry_id in lent
        }
        vals_list = []
        for entry, found in zip(lent, terms, strict=True):
            if not found:
                raise UserError(self.env._(
                    "%(entry)s was done by %(person)s of %(lender)s, and there is no transfer price for it any more.",
                    entry=entry.display_name, person=entry.employee_id.name,
                    lender=entry.employee_id.company_id.name))
            vals_list.append(self._lending_values(entry, found, move_by_entry[entry]))
        self.create(vals_list)._make_documents()

    def _lending_values(self, entry, terms, move):
        """Price the hours of one entry; the customer's own rounding of hours counts between the companies too."""
        employee = entry.employee_id.sudo()
        hours = decimal_of(entry.gross_quantity)
        if terms.method == "fixed":
            price, currency = terms.amount, self.env["res.currency"].browse(terms.currency_id)
        elif terms.method == "percent":
            price, currency = decimal_of(entry.rate) * terms.percent / 100, entry.currency_id
        else:
            key = (employee.id, entry.work_date)
            cost = self.env["psa.cost.rate"].sudo()._costs_on({key}).get(key, employee.hourly_cost)
            price, currency = decimal_of(cost) * (1 + terms.percent / 100), employee.currency_id
            if not price:
                raise UserError(self.env._(
                    "%(person)s has no hourly cost, so the hours cannot be charged to %(borrower)s at cost.",
                    person=employee.name, borrower=entry.company_id.name))
        exact = hours * price
        amount = round_amount(exact, currency)
        return {
            "entry_id": entry.id,
            "provider_company_id": employee.company_id.id,
            "receiver_company_id": entry.company_id.id,
            "transfer_price_id": terms.id,
            "quantity": float(hours),
            "amount": float(amount),
            "currency_id": currency.id,
            "move_id": move.id,
            "trace": {
                "rule": "hours_times_transfer_price", "method": terms.method, "percent": plain(terms.percent),
                "hours": plain(hours), "rate": plain(price), "exact": plain(exact), "currency": currency.name,
                "amount": plain(amount),
            },
        }

    def _make_documents(self):
        """Make and post the lender's invoices and the borrower's bills, one pair a customer's invoice and currency."""
        groups = defaultdict(self.browse)
        for lending in self:
            groups[lending.provider_company_id, lending.move_id, lending.currency_id] |= lending
        invoices, bills = [], []
        for (provider, move, currency), lendings in groups.items():
            lines = lendings._document_lines(currency)
            invoices.append(self._document_values("out_invoice", provider, move.company_id, move, currency, lines))
            bills.append(self._document_values("in_invoice", move.company_id, provider, move, currency, lines))
        Move = self.env["account.move"]
        made = [
            (
                Move.with_company(invoice["company_id"]).create(invoice),
                Move.with_company(bill["company_id"]).create(bill),
                lendings,
            )
            for invoice, bill, lendings in zip(invoices, bills, groups.values(), strict=True)
        ]
        for invoice, bill, lendings in made:
            invoice.action_post()
            bill.ref = invoice.name
            bill.action_post()
            if bill.currency_id.compare_amounts(bill.amount_untaxed, invoice.amount_untaxed):
                raise UserError(self.env._(
                    "%(invoice)s says %(invoiced)s before tax and its bill %(billed)s: a tax of one of the companies "
                    "is included in prices.", invoice=invoice.name,
                    invoiced=currency_text(invoice), billed=currency_text(bill)))
            lendings.write({"invoice_id": invoice.id, "bill_id": bill.id})

    def _document_lines(self, currency):
        """Return line values: one line a person and price, adding up to the lendings' amounts exactly."""
        groups = defaultdict(self.browse)
        for lending in self:
            groups[lending.employee_id, lending.trace["rate"]] |= lending
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        lines = []
        for (employee, rate), lendings in groups.items():
            hours, amount = group_sum((lending.quantity, lending.amount) for lending in lendings)
            quantity, price = line_figures(hours, Decimal(rate), amount, currency, digits=digits, globally=True)
            lines.append({
                "product_id": self.env.ref("psa_hub.product_intercompany").id,
                "product_uom_id": self.env.ref("uom.product_uom_hour").id,
                "name": self.env._(
                    "%(person)s for %(contract)s", person=employee.name,
                    contract=", ".join(sorted(set(lendings.entry_id.order_id.mapped("name"))))),
                "quantity": float(quantity), "price_unit": float(price),
            })
        return lines

    def _document_values(self, move_type, company, partner_company, move, currency, lines):
        return {
            "move_type": move_type,
            "company_id": company.id,
            "partner_id": partner_company.partner_id.id,
            "currency_id": currency.id,
            "invoice_date": move.invoice_date,
            "invoice_origin": move.name,
            "invoice_line_ids": [Command.create(line) for line in lines],
        }

    # === FOLLOWING THE CUSTOMER'S INVOICE === #
    @api.model
    def _undo(self, moves):
        """Cancel invoice and bill of customer invoices that are no longer posted."""
        lendings = self.search([("move_id", "in", moves.ids), ("state", "=", "charged")])
        documents = lendings.invoice_id | lendings.bill_id
        if not lendings:
            return
        for document in documents.filtered(lambda document: document.state == "posted"):
            document.with_company(document.company_id).button_draft()
        documents.filtered(lambda document: document.state == "draft").button_cancel()
        lendings.write({"state": "cancel"})


def currency_text(move):
    return move.currency_id.format(move.amount_untaxed)


class PsaEntry(models.Model):
    _inherit = "psa.entry"

    def _hold_by_terms(self, rows):
        """Hold time of another company's people where no transfer price says what they cost."""
        employees = {
            employee.id: employee.company_id.id
            for employee in self.env["hr.employee"].sudo().browse(
                {row["employee_id"] for row in rows if row["kind"] == "time" and row["employee_id"]})
        }
        lent = [
            row for row in rows
            if row["state"] == "approved" and row["kind"] == "time"
            and employees.get(row["employee_id"], row["company_id"]) not in (row["company_id"], False)
        ]
        found = self.env["psa.transfer.price"].sudo()._find([
            (employees[row["employee_id"]], row["company_id"], row["role_id"], row["work_date"]) for row in lent
        ])
        for row, terms in zip(lent, found, strict=True):
            if not terms:
                row["state"], row["reason"] = "held", "wrong_entity"
        return super()._hold_by_terms([row for row in rows if row["state"] == "approved"])

    def _held_wrong_entity(self, row):
        employee = self.env["hr.employee"].sudo().browse(row["employee_id"])
        project = self.env["project.project"].browse(row["project_id"] or ())
        return f"entity:{project.id or 0}", self.env._(
            "%(person)s of %(lender)s works on %(contract)s of %(borrower)s, and no transfer price says what one "
            "company asks the other", person=employee.name, lender=employee.company_id.name,
            contract=self._order_of(row).name, borrower=self.env["res.company"].browse(row["company_id"]).name,
        ), project or self._order_of(row)
