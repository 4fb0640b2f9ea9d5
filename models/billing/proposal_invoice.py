from odoo import fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tools import SQL, format_date

from .entry_kinds import HUSH


class PsaProposal(models.Model):
    """Approval: the proposal becomes a draft invoice, and its entries are allocated to the invoice's lines."""

    _inherit = "psa.proposal"

    def action_approve(self):
        """Approve these and make their draft invoices.

        :raise AccessError: for who may not approve, or prepared or edited one of them (unless the company allows it)
        :raise UserError: when entries changed since a proposal was built
        """
        self._require("psa_hub.group_approver", ("to_approve",))
        self._check_four_eyes()
        proposals = self.sudo().with_context(**HUSH)
        proposals._lock_and_check()
        proposals.write({
            "state": "approved", "approved_by": self.env.uid, "approved_at": fields.Datetime.now(),
        })
        proposals._make_invoices()
        self.env["psa.audit"]._log([
            {
                "event": "proposal.approved",
                "res_model": self._name,
                "res_id": proposal.id,
                "company_id": proposal.company_id.id,
                "before": {"state": "to_approve", "prepared_by": proposal.prepared_by.login},
                "after": {
                    "state": "approved", "total": proposal.amount_total, "currency": proposal.currency_id.name,
                    "invoice": proposal.move_id.id,
                },
            }
            for proposal in proposals
        ])
        if len(self) == 1:
            return self.action_open_invoice()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Invoices"),
            "res_model": "account.move",
            "view_mode": "list,form",
            "domain": [("id", "in", proposals.move_id.ids)],
        }

    def _check_four_eyes(self):
        for proposal in self:
            if proposal.company_id.sudo().psa_allow_self_approval:
                continue
            if self.env.user in proposal.prepared_by | proposal.editor_ids:
                raise AccessError(self.env._(
                    "%s needs another person's approval: you prepared or edited it.", proposal.name))

    def _lock_and_check(self):
        """Lock the entries that will be billed and refuse a proposal that is out of date.

        An entry that another transaction changed since this one began makes a serialization failure, which the
        server answers by trying again with a fresh look.
        """
        lines = self.line_ids.filtered(lambda line: line.decision == "in")
        self.env.flush_all()
        self.env.execute_query(SQL(
            "SELECT id FROM psa_entry WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", lines.entry_id.ids))
        for line in lines:
            entry, currency = line.entry_id, line.currency_id
            left_quantity = entry.quantity - entry.allocated_quantity
            left_amount = entry.amount - entry.allocated_amount
            if (
                entry.state != "approved" or entry.pending_change
                or currency.compare_amounts(left_amount, line.amount)
                or abs(left_quantity - line.quantity) >= 1e-6
            ):
                raise UserError(self.env._(
                    "%(entry)s changed after %(proposal)s was built: refresh it and look again.",
                    entry=entry.display_name, proposal=line.proposal_id.name,
                ))

    # === INVOICES === #
    def _make_invoices(self):
        """Make the draft invoices of these proposals and allocate the entries."""
        plans = [(proposal, proposal._invoice_lines()) for proposal in self]
        vals_list = [proposal._prepare_invoice(plan) for proposal, plan in plans]
        moves = self.env["sale.order"]._create_account_invoices(vals_list, False)
        allocations = []
        for (proposal, plan), move in zip(plans, moves, strict=True):
            proposal.move_id = move
            by_sequence = {line.sequence: line for line in move.invoice_line_ids}
            for index, invoice_line in enumerate(plan, start=1):
                allocations += [
                    {
                        "entry_id": line.entry_id.id,
                        "move_line_id": by_sequence[index].id,
                        "move_id": move.id,
                        "kind": "invoice",
                        "state": "draft",
                        "quantity": line.quantity,
                        "amount": line.amount,
                    }
                    for line in invoice_line["lines"]
                ]
        self.line_ids.filtered("reserved").write({"reserved": False})
        self.env["psa.allocation"].sudo()._insert(allocations)._after_allocation()
        self._check_totals()

    def _prepare_invoice(self, plan):
        """Return the values of the draft invoice: Odoo's own for the contract, with the lines of ``plan``."""
        self.ensure_one()
        order = self.order_id.with_company(self.company_id).with_context(lang=self.partner_id.lang)
        values = order._prepare_invoice()
        values["invoice_line_ids"] = [
            Command.create(line["order_line"].with_context(lang=self.partner_id.lang)._prepare_invoice_line(
                sequence=index,
                name=self._line_name(line),
                product_uom_id=line["unit"].id,
                quantity=float(line["quantity"]),
                price_unit=float(line["price"]),
                discount=0.0,
                extra_tax_data=False,
            ))
            for index, line in enumerate(plan, start=1)
        ]
        if order.psa_purchase_order:
            values["ref"] = order.psa_purchase_order
        values["psa_proposal_id"] = self.id
        return values

    def _line_name(self, line):
        """Return the text of an invoice line in the customer's language."""
        env = self.with_context(lang=self.partner_id.lang).env
        order_line, entries = line["order_line"], line["lines"].entry_id
        if entries[:1].kind == "fee":
            return order_line.name
        if entries[:1].kind in ("milestone", "expense"):
            text = entries.customer_text or entries.display_name
            if entries.kind == "expense":
                text = f"{text}, {format_date(env, entries.work_date)}"
            return f"{order_line.name}\n{text}"
        by_person = self.order_id.psa_invoice_detail == "person"
        who = (entries.employee_id.name if by_person else entries.role_id[:1].name) or ""
        days = entries.mapped("work_date")
        period = env._("%(first)s to %(last)s", first=format_date(env, min(days)), last=format_date(env, max(days)))
        return f"{order_line.name}\n{', '.join(part for part in (who, period) if part)}"

    def _check_totals(self):
        """The promise of a proposal: its total is the invoice's, to the cent."""
        for proposal in self:
            move = proposal.move_id
            if move.currency_id.compare_amounts(move.amount_total, proposal.amount_total):
                raise UserError(self.env._(
                    "The invoice of %(proposal)s would say %(invoice)s instead of the proposed %(total)s.",
                    proposal=proposal.name,
                    invoice=move.currency_id.format(move.amount_total),
                    total=proposal.currency_id.format(proposal.amount_total),
                ))
