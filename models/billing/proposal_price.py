from decimal import Decimal

from odoo import models

from .presentation import group_sum, line_figures
from .pricing import decimal_of, round_amount


class PsaProposal(models.Model):
    """What the invoice will say: lines, prices and totals, computed by Odoo's own tax code before there is one."""

    _inherit = "psa.proposal"

    def _invoice_lines(self):
        """Return the invoice lines of this proposal, the same for its total and for its invoice.

        Time is put together by contract line, rate and role (or person, as the contract asks); a fee, a milestone and
        an expense stand alone.

        :return: list of dicts: ``order_line``, ``lines`` (proposal lines), ``unit``, ``quantity``, ``price`` and
            ``amount`` (Decimals; quantity in ``unit``, amount the sum of the entries, before tax as the
            contract line's price is)
        """
        self.ensure_one()
        groups = {}
        for line in self.line_ids.filtered(lambda line: line.decision == "in").sorted(
            lambda line: (line.order_line_id.sequence, line.order_line_id.id, line.work_date, line.id)
        ):
            groups.setdefault(self._group_key(line), []).append(line.id)
        result = []
        for line_ids in groups.values():
            result += self._group_figures(self.line_ids.browse(line_ids))
        return result

    def _group_key(self, line):
        entry = line.entry_id
        if entry.kind != "time":
            return entry.order_line_id.id, entry.id
        who = entry.employee_id if self.order_id.psa_invoice_detail == "person" else entry.role_id
        return entry.order_line_id.id, "time", entry.rate, who.id

    def _group_figures(self, lines):
        """Return one invoice line for ``lines``, or two when corrections cancel the hours but not the amount."""
        order_line = lines.order_line_id
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        unit = self._invoice_unit(order_line, lines.entry_id)
        factor = self._unit_factor(lines.entry_id[:1].uom_id, unit)
        quantity, amount = group_sum((line.quantity, line.amount) for line in lines)
        if amount and not round(quantity * factor, digits):
            positive = lines.filtered(lambda line: line.quantity >= 0)
            if positive and positive != lines:
                return self._group_figures(positive) + self._group_figures(lines - positive)
        figures = line_figures(
            quantity * factor,
            decimal_of(lines[0].rate) / factor,
            amount,
            self.currency_id,
            digits=digits,
            globally=self.company_id.tax_calculation_rounding_method == "round_globally",
        )
        return [{
            "order_line": order_line, "lines": lines, "quantity": figures[0], "price": figures[1], "amount": amount,
            "unit": unit,
        }]

    def _invoice_unit(self, order_line, entries):
        """Return the unit in which an invoice line counts ``entries``: the contract line's."""
        return order_line.product_uom_id

    def _unit_factor(self, from_unit, to_unit):
        """Return how many of ``to_unit`` are one ``from_unit``, as a Decimal."""
        if from_unit == to_unit or not from_unit._has_common_reference(to_unit):
            return Decimal(1)
        return decimal_of(from_unit.factor) / decimal_of(to_unit.factor)

    def _compute_totals(self):
        """Set untaxed amount, taxes, total and what is held. Nothing is asked of the database per proposal."""
        # All contract lines and taxes at once: the loop below finds them in the cache.
        order_lines = self.sudo().line_ids.entry_id.order_line_id
        order_lines.mapped("sequence")
        order_lines.tax_ids.mapped("invoice_repartition_line_ids")
        for proposal in self.sudo():
            totals = proposal._tax_totals(proposal._invoice_lines())
            held = proposal.line_ids.filtered(lambda line: line.decision == "held")
            proposal.write({
                "amount_untaxed": totals["base_amount_currency"],
                "amount_tax": totals["tax_amount_currency"],
                "amount_total": totals["total_amount_currency"],
                "amount_held": float(round_amount(
                    sum((decimal_of(line.amount) for line in held), Decimal(0)), proposal.currency_id)),
            })

    def _tax_totals(self, plan):
        """Return Odoo's tax totals of the invoice lines in ``plan``."""
        AccountTax, term = self.env["account.tax"], self.order_id.payment_term_id
        if term.early_discount and term.early_pay_discount_computation == "mixed":
            # The discount changes the tax base: only the invoice itself knows how.
            return self.env["account.move"].new(self._prepare_invoice(plan)).tax_totals
        base_lines = [
            line["order_line"]._prepare_base_line_for_taxes_computation(
                quantity=float(line["quantity"]),
                price_unit=float(line["price"]),
                discount=0.0,
                extra_tax_data={},
                partner_id=self.partner_id,
            )
            for line in plan
        ]
        AccountTax._add_tax_details_in_base_lines(base_lines, self.company_id)
        AccountTax._round_base_lines_tax_details(base_lines, self.company_id)
        return AccountTax._get_tax_totals_summary(base_lines, self.currency_id, self.company_id)
