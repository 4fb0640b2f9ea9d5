from collections import defaultdict
from decimal import Decimal

from odoo import models
from odoo.exceptions import UserError

from .pricing import decimal_of, round_amount


class PsaProposal(models.Model):
    """What the invoices will come to, computed by Odoo's own tax code before there is one."""

    _inherit = "psa.proposal"

    def _compute_totals(self, plans=None):
        """Set untaxed amount, taxes, total, and what is held and carried; credit notes count negative.

        Nothing is asked of the database per proposal.

        :param plans: what :meth:`_plans` returns, when it is known
        """
        proposals = self.sudo()
        plans = proposals._plans() if plans is None else plans
        # All taxes at once: the loop below finds them in the cache.
        order_lines = self.env["sale.order.line"].sudo().union(*(
            line.order_line for invoices in plans.values() for invoice in invoices for line in invoice.lines))
        order_lines.tax_ids.mapped("invoice_repartition_line_ids")
        waiting = defaultdict(float)
        for proposal, decision, amount in self.env["psa.proposal.line"].sudo()._read_group(
            [("proposal_id", "in", self.ids), ("decision", "in", ("held", "carried"))],
            ["proposal_id", "decision"], ["amount:sum"],
        ):
            waiting[proposal.id, decision] = amount
        for proposal in proposals:
            totals = [(invoice.sign, proposal._tax_totals(invoice)) for invoice in plans[proposal.id]]
            proposal.write({
                **{
                    name: proposal._sum(sign * decimal_of(total[key]) for sign, total in totals)
                    for name, key in [
                        ("amount_untaxed", "base_amount_currency"), ("amount_tax", "tax_amount_currency"),
                        ("amount_total", "total_amount_currency"),
                    ]
                },
                "amount_held": proposal._sum([decimal_of(waiting[proposal.id, "held"])]),
                "amount_carried": proposal._sum([decimal_of(waiting[proposal.id, "carried"])]),
            })

    def _sum(self, amounts):
        return float(round_amount(sum(amounts, Decimal(0)), self.currency_id))

    def _tax_totals(self, invoice):
        """Return Odoo's tax totals of a planned invoice."""
        AccountTax, term = self.env["account.tax"], self.order_id.payment_term_id
        if term.early_discount and term.early_pay_discount_computation == "mixed":
            # The discount changes the tax base: only the invoice itself knows how.
            return self.env["account.move"].new(self._prepare_invoice(invoice)).tax_totals
        base_lines = [
            line.order_line._prepare_base_line_for_taxes_computation(
                quantity=float(line.quantity),
                price_unit=float(line.price),
                discount=0.0,
                extra_tax_data={},
                partner_id=invoice.partner,
                tax_ids=self._taxes_of(line.order_line, invoice.partner),
                is_refund=invoice.refund,
            )
            for line in invoice.lines
        ]
        AccountTax._add_tax_details_in_base_lines(base_lines, self.company_id)
        AccountTax._round_base_lines_tax_details(base_lines, self.company_id)
        return AccountTax._get_tax_totals_summary(base_lines, self.currency_id, self.company_id)

    # === WHOSE TAXES === #
    def _fiscal_position_of(self, partner):
        """Return the fiscal position under which ``partner`` is invoiced: the contract's for its own customer."""
        order = self.order_id
        if partner == order.partner_invoice_id:
            return order.fiscal_position_id or order.fiscal_position_id.with_company(
                self.company_id)._get_fiscal_position(partner)
        return self.env["account.fiscal.position"].with_company(self.company_id)._get_fiscal_position(partner)

    def _taxes_of(self, order_line, partner):
        """Return the taxes of a contract line for ``partner``: the line's own, mapped by each customer's position.

        A line whose taxes were chosen by hand keeps them as what is mapped.
        """
        if partner == self.order_id.partner_invoice_id:
            return order_line.tax_ids
        position = self._fiscal_position_of(partner)
        contract_position = self.order_id.fiscal_position_id
        if position == contract_position:
            return order_line.tax_ids
        usual = order_line.product_id.taxes_id._filter_taxes_by_company(self.company_id)
        untouched = contract_position.map_tax(usual) == order_line.tax_ids
        return position.map_tax(usual if untouched else order_line.tax_ids)

    def _check_included_taxes(self):
        """Refuse to invent a price: one that includes a tax has no price for a customer who is taxed differently."""
        for partner in self.order_id.psa_share_ids.partner_id:
            for order_line in self.line_ids.filtered(lambda line: line.decision == "in").order_line_id:
                included = order_line.tax_ids.filtered("price_include")
                if included - self._taxes_of(order_line, partner):
                    raise UserError(self.env._(
                        "The price of “%(line)s” includes %(tax)s, which %(customer)s does not pay: agree on a price "
                        "before tax for this contract line.",
                        line=order_line.name.partition("\n")[0], tax=included[0].name, customer=partner.name))
