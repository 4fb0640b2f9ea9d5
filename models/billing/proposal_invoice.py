from collections import defaultdict
from decimal import Decimal

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL, format_amount, format_date, split_every

from .entry_kinds import HUSH
from .invoice_layout import render
from .pricing import decimal_of, plain

# So many proposals are invoiced at a time: what a run keeps in memory does not grow with it.
BATCH = 50


class PsaProposal(models.Model):
    """An approved proposal becomes draft invoices, and its entries are allocated to their lines."""

    _inherit = "psa.proposal"

    def _invoice(self):
        """Approve these for good: lock their entries, make the draft invoices, allocate.

        Set-oriented. Contracts that share an invoice are kept together.

        :raise UserError: when entries changed since a proposal was built
        """
        proposals = self.with_context(**HUSH)
        proposals._check_live()
        proposals._lock_and_check()
        proposals.write({
            "state": "approved", "approved_by": self.env.uid, "approved_at": fields.Datetime.now(),
        })
        for batches in split_every(BATCH, proposals._batches(), list):
            proposals.browse([proposal_id for batch in batches for proposal_id in batch])._make_invoices()

    def _batches(self):
        """Return lists of ids that are invoiced together: one contract each, or all of a customer."""
        batches = defaultdict(list)
        for proposal in self:
            shared = proposal._is_consolidated()
            batches[(proposal.partner_id.id, proposal.company_id.id) if shared else -proposal.id].append(proposal.id)
        return batches.values()

    def _is_consolidated(self):
        """Tell whether this contract shares its customer's invoice."""
        return (
            self.order_id._psa_layout().consolidate == "customer"
            and self.company_id.tax_calculation_rounding_method == "round_per_line"
        )

    def _lock_and_check(self):
        """Lock the entries that will be billed and refuse a proposal that is out of date.

        An entry that another transaction changed since this one began makes a serialization failure, which the
        server answers by trying again with a fresh look.
        """
        self.env.flush_all()
        self.env.cr.execute(SQL(
            """
            SELECT entry.id FROM psa_entry entry
              JOIN psa_proposal_line line ON line.entry_id = entry.id
             WHERE line.proposal_id = ANY(%s) AND line.decision = 'in'
          ORDER BY entry.id FOR NO KEY UPDATE OF entry
            """, self.ids))
        for entry_id, proposal_id in self._changed_entries()[:1]:
            raise UserError(self.env._(
                "%(entry)s changed after %(proposal)s was built: refresh it and look again.",
                entry=self.env["psa.entry"].browse(entry_id).display_name,
                proposal=self.browse(proposal_id).name,
            ))

    def _changed_entries(self):
        """Return ``[(entry id, proposal id)]`` of what is billed now and is not (any more) what its entry says."""
        self.env.flush_all()
        return self.env.execute_query(SQL(
            """
            SELECT line.entry_id, line.proposal_id
              FROM psa_proposal_line line JOIN psa_entry entry ON entry.id = line.entry_id
             WHERE line.proposal_id = ANY(%s) AND line.decision = 'in'
               AND (entry.state <> 'approved' OR entry.pending_change IS NOT NULL
                    OR COALESCE(entry.amount, 0) - COALESCE(entry.allocated_amount, 0) <> COALESCE(line.amount, 0)
                    OR COALESCE(entry.quantity, 0) - COALESCE(entry.allocated_quantity, 0)
                       <> COALESCE(line.quantity, 0))
            """, self.ids))

    def _refresh_needed(self):
        """Set whether these are out of date, by looking."""
        changed = {proposal_id for _entry_id, proposal_id in self._changed_entries()}
        for proposal in self:
            proposal.needs_refresh = proposal.id in changed

    # === INVOICES === #
    def _make_invoices(self):
        """Make the draft invoices of these proposals and allocate the entries."""
        plans = self._plans()
        drafts = [
            (self.browse(proposal_id), invoice) for proposal_id, invoices in plans.items() for invoice in invoices]
        vals_list, sources = [], []
        by_key = {}
        for proposal, invoice in drafts:
            values = proposal._prepare_invoice(invoice)
            key = proposal._shared_key(values) or (proposal.id, invoice.partner.id, invoice.refund)
            if key in by_key:
                offset = proposal._append_invoice(vals_list[by_key[key]], values)
                sources[by_key[key]].append((proposal, invoice, offset))
                continue
            by_key[key] = len(vals_list)
            if proposal._is_consolidated():
                proposal._put_under_heading(values)
            vals_list.append(values)
            sources.append([(proposal, invoice, 1 if proposal._is_consolidated() else 0)])
        moves = self.env["sale.order"]._create_account_invoices(vals_list, False)
        allocations = []
        for move, parts in zip(moves, sources, strict=True):
            by_sequence = {line.sequence: line.id for line in move.invoice_line_ids}
            for _proposal, invoice, offset in parts:
                allocations += _allocations(move, invoice, by_sequence, offset)
        self._unreserve()
        self.env["psa.allocation"].sudo()._insert(allocations)._after_allocation()
        self.invalidate_recordset(["move_ids"])
        self._check_totals(plans, zip(moves, sources, strict=True))

    def _unreserve(self):
        """Let the reservations of these go: their entries are allocated now, or free. One statement."""
        lines = self.env["psa.proposal.line"].sudo()
        lines.flush_model(["reserved"])
        self.env.cr.execute(SQL(
            "UPDATE psa_proposal_line SET reserved = FALSE WHERE proposal_id = ANY(%s) AND reserved", self.ids))
        lines.invalidate_model(["reserved"])

    def _prepare_invoice(self, invoice):
        """Return the values of a draft invoice: Odoo's own for the contract, one customer's, with the planned lines."""
        self.ensure_one()
        order = self.order_id.with_company(self.company_id).with_context(lang=invoice.partner.lang)
        values = order._prepare_invoice()
        if invoice.partner != order.partner_invoice_id:
            values.update({
                "partner_id": invoice.partner.id,
                "partner_shipping_id": invoice.partner.id,
                "fiscal_position_id": self._fiscal_position_of(invoice.partner).id,
                "transaction_ids": False,
                "payment_reference": False,
            })
        commands, number, section = [], 0, None
        for line in invoice.lines:
            if line.section and line.section != section:
                number += 1
                commands.append(Command.create(
                    {"display_type": "line_section", "name": line.section, "sequence": number}))
            section = line.section
            number += 1
            order_line = line.order_line.with_context(lang=invoice.partner.lang)
            commands.append(Command.create(order_line._prepare_invoice_line(
                sequence=number,
                name=self._line_name(line, invoice.partner),
                product_uom_id=line.unit.id,
                quantity=float(line.quantity),
                price_unit=float(line.price),
                discount=0.0,
                extra_tax_data=False,
                tax_ids=[Command.set(self._taxes_of(line.order_line, invoice.partner).ids)],
            )))
        values["invoice_line_ids"] = commands
        values["move_type"] = "out_refund" if invoice.refund else "out_invoice"
        if reference := invoice.reference or order.psa_purchase_order:
            values["ref"] = reference
        values["psa_proposal_ids"] = [Command.link(self.id)]
        return values

    # === SHARED INVOICES === #
    def _shared_key(self, values):
        """Return what invoices of different contracts must have in common to be one, or None."""
        if not self._is_consolidated():
            return None
        return "shared", *(values.get(name) for name in (
            "company_id", "partner_id", "partner_shipping_id", "currency_id", "move_type", "fiscal_position_id",
            "invoice_payment_term_id", "journal_id", "preferred_payment_method_line_id",
        ))

    def _put_under_heading(self, values):
        """Set the contract's name over the lines of ``values``, which move down by one."""
        name = ", ".join(filter(None, [self.order_id.name, self.order_id.psa_purchase_order]))
        for _command, _id, line in values["invoice_line_ids"]:
            line["sequence"] += 1
        values["invoice_line_ids"].insert(
            0, Command.create({"display_type": "line_section", "name": name, "sequence": 1}))

    def _append_invoice(self, shared, values):
        """Add the lines of ``values`` to the invoice ``shared``; return by how much their numbers moved."""
        self._put_under_heading(values)
        offset = max(line["sequence"] for _command, _id, line in shared["invoice_line_ids"])
        for _command, _id, line in values["invoice_line_ids"]:
            line["sequence"] += offset
        shared["invoice_line_ids"] += values["invoice_line_ids"]
        shared["psa_proposal_ids"] += values["psa_proposal_ids"]
        shared["transaction_ids"] = (shared.get("transaction_ids") or []) + [
            Command.link(transaction_id)
            for command in values.get("transaction_ids") or [] for transaction_id in command[2]
        ]
        for name in ("ref", "invoice_origin"):
            parts = [part for part in (shared.get(name) or "").split(", ") if part]
            shared[name] = ", ".join(dict.fromkeys([*parts, values.get(name) or ""]))
        return offset + 1

    # === WORDS === #
    def _line_name(self, line, partner):
        """Return the text of an invoice line in the customer's language."""
        env = self.with_context(lang=partner.lang).env
        order_line, rows = line.order_line.with_env(env), [piece.row for piece in line.pieces]
        first = rows[0]
        narrative = "\n".join(dict.fromkeys(row.narrative for row in rows if row.narrative))
        if first.kind != "time":
            if first.kind == "fee":
                return "\n".join(filter(None, [order_line.name, narrative]))
            text = narrative or first.description or env["psa.entry"].browse(first.entry_id).display_name
            if first.kind in ("expense", "pass_through"):
                text = f"{text}, {format_date(env, first.work_date)}"
            return f"{order_line.name}\n{text}"
        values = self._placeholders(env, line, rows, narrative)
        if template := self.order_id._psa_layout().with_env(env).text:
            return render(template, values) or order_line.name
        by = self.order_id._psa_layout().part_ids.mapped("by") or [self.order_id.psa_invoice_detail]
        shown = {"person": "person", "role": "role", "task": "task", "project": "project"}
        who = [values[shown[name]] for name in by if name in shown and not (line.section and name == by[0])]
        period = env._("%(first)s to %(last)s", first=values["first_day"], last=values["last_day"])
        return "\n".join(filter(None, [order_line.name, ", ".join(filter(None, [*who, period])), narrative]))

    def _placeholders(self, env, line, rows, narrative):
        """Return what a text template may name (see ``invoice_layout.PLACEHOLDERS``), ready to be read."""
        days = [row.work_date for row in rows]

        def names(model, ids):
            return ", ".join(
                env[model].sudo().browse(record_id).display_name or "" for record_id in dict.fromkeys(ids) if record_id)

        return {
            "contract": self.order_id.name,
            "line": line.order_line.with_env(env).name,
            "project": names("project.project", (row.project for row in rows)),
            "purchase_order": self.order_id.psa_purchase_order or "",
            "month": ", ".join(dict.fromkeys(
                self.with_env(env)._month_name(day.replace(day=1)) for day in sorted(days))),
            "person": names("hr.employee", (row.person for row in rows)),
            "role": names("psa.role", (row.role for row in rows)),
            "task": names("project.task", (row.task for row in rows)),
            "first_day": format_date(env, min(days)),
            "last_day": format_date(env, max(days)),
            "quantity": plain(line.quantity),
            "unit": line.unit.with_env(env).name,
            "rate": format_amount(env, float(line.price), self.currency_id),
            "narrative": narrative,
            "description": "\n".join(dict.fromkeys(row.description for row in rows if row.description)),
        }

    def _month_name(self, month):
        return format_date(self.env, month, date_format="MMMM yyyy")

    # === THE PROMISE === #
    def _check_totals(self, plans, made):
        """The promise of a proposal: its total is that of its invoices, to the cent.

        :param plans: what :meth:`_plans` returned
        :param made: pairs of a move and ``[(proposal, planned invoice, offset)]`` on it
        """
        promised = defaultdict(Decimal)
        for move, parts in made:
            totals = [decimal_of(proposal._tax_totals(invoice)["total_amount_currency"]) if len(plans[proposal.id]) > 1
                      or len(parts) > 1 else decimal_of(proposal.amount_total) * invoice.sign
                      for proposal, invoice, _offset in parts]
            for (proposal, invoice, _offset), total in zip(parts, totals, strict=True):
                promised[proposal] += invoice.sign * total
            if move.currency_id.compare_amounts(move.amount_total, float(sum(totals))):
                parts[0][0]._refuse_total(move.amount_total, float(sum(totals)))
        for proposal, total in promised.items():
            if proposal.currency_id.compare_amounts(float(total), proposal.amount_total):
                proposal._refuse_total(float(total), proposal.amount_total)

    def _refuse_total(self, invoiced, proposed):
        raise UserError(self.env._(
            "The invoice of %(proposal)s would say %(invoice)s instead of the proposed %(total)s: refresh it.",
            proposal=self.name,
            invoice=self.currency_id.format(invoiced),
            total=self.currency_id.format(proposed),
        ))


# === PLAIN HELPERS === #
def _allocations(move, invoice, by_sequence, offset):
    """Return the allocation rows of a planned invoice on its move; headings have a number of their own."""
    rows, number, section = [], offset, None
    for line in invoice.lines:
        number += 1 + bool(line.section and line.section != section)
        section = line.section
        rows += [
            {
                "entry_id": piece.row.entry_id,
                "move_line_id": by_sequence[number],
                "move_id": move.id,
                "kind": "invoice",
                "state": "draft",
                "quantity": piece.quantity,
                "amount": piece.amount,
            }
            for piece in line.pieces
        ]
    return rows
