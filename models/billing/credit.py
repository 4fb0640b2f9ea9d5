from collections import defaultdict
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL

from .presentation import line_figures, spread
from .pricing import QUANTITY_STEP, decimal_of, round_amount
from .splitting import take_from


class PsaAllocation(models.Model):
    """Credits: what a credit note takes back becomes billable again, only that.

    A line of a credit note knows the invoice line it credits. Taken back are, in this order: the entries named when
    the note was made here (:meth:`_credit_entries`), as long as they add up to the line; everything, when the line
    credits all that is left; else the newest work first.
    """

    _inherit = "psa.allocation"

    # === WHEN A CREDIT NOTE IS POSTED === #
    @api.model
    def _allocate_credits(self, refunds):
        """Write the negative allocations of posted credit notes."""
        lines = refunds.invoice_line_ids.filtered(
            lambda line: line.display_type == "product" and (line.psa_origin_line_id or line.sale_line_ids))
        origins = self._origin_lines(lines)
        if not origins:
            return
        left = self._left_on_lines({origin_id for origin_ids in origins.values() for origin_id in origin_ids})
        named = self.search([("move_line_id", "in", list(origins)), ("kind", "=", "credit")]).grouped("move_line_id")
        vals_list, superseded = [], self.browse()
        for line in lines.filtered(lambda line: line.id in origins):
            currency = line.currency_id
            total = decimal_of(line.quantity) * decimal_of(line.price_unit) * (1 - decimal_of(line.discount) / 100)
            # An invoice that reverses a credit note of corrections takes back negative amounts.
            amount = round_amount(total, currency) * (1 if line.move_id.move_type == "out_refund" else -1)
            explicit = named.get(line, self.browse())
            if explicit and currency.compare_amounts(-sum(explicit.mapped("amount")), float(amount)) == 0:
                continue
            superseded |= explicit
            for origin_id in origins[line.id]:
                taken = spread(left.get(origin_id, []), amount, currency)
                left[origin_id] = _without(left.get(origin_id, []), taken)
                amount -= sum((part[2] for part in taken), Decimal(0))
                vals_list += [
                    self._credit_values(line, origin_id, entry_id, quantity, part)
                    for entry_id, quantity, part in taken
                ]
        superseded.unlink()
        self._insert(vals_list)

    @api.model
    def _origin_lines(self, lines):
        """Return ``{credit line id: [ids of invoice lines it may credit]}`` for lines that entries stand on."""
        invoices = lines.move_id.reversed_entry_id
        candidates = self.search([
            ("kind", "=", "invoice"),
            "|", ("move_line_id", "in", lines.psa_origin_line_id.ids), ("move_id", "in", invoices.ids),
        ]).move_line_id
        result = {}
        for line in lines:
            if line.psa_origin_line_id in candidates:
                result[line.id] = line.psa_origin_line_id.ids
                continue
            # Typed by hand: the lines of the same invoice and contract line.
            matching = candidates.filtered(lambda origin, line=line: (
                origin.move_id == line.move_id.reversed_entry_id and origin.sale_line_ids & line.sale_line_ids))
            if matching:
                result[line.id] = matching.ids
        return result

    @api.model
    def _left_on_lines(self, line_ids):
        """Return ``{invoice line id: [(entry id, quantity, amount)]}`` of what is billed and not credited.

        Decimals, newest work first; one query.
        """
        self.flush_model()
        self.env["psa.entry"].flush_model(["work_date"])
        left = defaultdict(list)
        for line_id, entry_id, quantity, amount in self.env.execute_query(SQL(
            """
            SELECT COALESCE(allocation.origin_line_id, allocation.move_line_id) AS line_id, allocation.entry_id,
                   SUM(allocation.quantity)::text, SUM(allocation.amount)::text
              FROM psa_allocation allocation
              JOIN psa_entry entry ON entry.id = allocation.entry_id
             WHERE (allocation.kind = 'invoice' AND allocation.state <> 'cancel'
                    AND allocation.move_line_id = ANY(%(ids)s))
                OR (allocation.kind = 'credit' AND allocation.state = 'posted'
                    AND allocation.origin_line_id = ANY(%(ids)s))
          GROUP BY line_id, allocation.entry_id, entry.work_date
            HAVING SUM(allocation.quantity) <> 0 OR SUM(allocation.amount) <> 0
          ORDER BY entry.work_date DESC, allocation.entry_id DESC
            """,
            ids=list(line_ids),
        )):
            left[line_id].append((entry_id, Decimal(quantity), Decimal(amount)))
        return left

    @api.model
    def _credit_values(self, line, origin_id, entry_id, quantity, amount):
        return {
            "entry_id": entry_id,
            "move_line_id": line.id,
            "move_id": line.move_id.id,
            "origin_line_id": origin_id,
            "kind": "credit",
            "state": line.move_id.state,
            "quantity": -float(quantity),
            "amount": -float(amount),
        }

    # === CREDITING NAMED ENTRIES === #
    @api.model
    def _credit_entries(self, amounts):
        """Make draft credit notes for exactly these parts of entries.

        :param amounts: ``{psa.entry: (quantity, amount)}``, Decimals of the entry's sign
        :return: action that shows the credit notes
        :raise UserError: when a part stands on a draft invoice, where it is simply deleted
        """
        self = self.sudo()
        entries = self.env["psa.entry"].union(*amounts)
        invoiced = self.search([("entry_id", "in", entries.ids), ("kind", "=", "invoice"), ("state", "!=", "cancel")])
        if draft := invoiced.filtered(lambda allocation: allocation.state == "draft"):
            raise UserError(self.env._(
                "%(entry)s stands on a draft invoice of %(customer)s: delete its line there instead.",
                entry=draft[0].entry_id.display_name, customer=draft[0].move_id.partner_id.name,
            ))
        refunds = self._make_refunds(self._parts_to_credit(invoiced.move_line_id, amounts))
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Credit Notes"),
            "res_model": "account.move",
            "view_mode": "list,form" if len(refunds) > 1 else "form",
            "res_id": refunds[:1].id,
            "domain": [("id", "in", refunds.ids)],
        }

    @api.model
    def _parts_to_credit(self, lines, amounts):
        """Return ``{invoice line: [(entry id, quantity, amount)]}`` of what to credit where: the newest invoice first;
        customers who pay a contract together are credited in proportion to what they were billed.
        """
        left = self._left_on_lines(set(lines.ids))
        wanted = {entry.id: list(part) for entry, part in amounts.items()}
        parts = defaultdict(list)
        billed_together = lines.sorted("id", reverse=True).grouped(
            lambda line: line.move_id.psa_proposal_ids or line.move_id)
        for together in billed_together.values():
            there = defaultdict(list)
            for line in together:
                for entry_id, quantity, amount in left.get(line.id, ()):
                    if entry_id in wanted:
                        there[entry_id].append((line, quantity, amount))
            for entry_id, standing in there.items():
                taken = []
                for column, step in ((1, QUANTITY_STEP), (2, decimal_of(lines[0].currency_id.rounding))):
                    numbers = [row[column] for row in standing]
                    take = min(sum(numbers), wanted[entry_id][column - 1], key=abs)
                    wanted[entry_id][column - 1] -= take
                    taken.append(take_from(numbers, take, step))
                for (line, *_left), quantity, amount in zip(standing, *taken, strict=True):
                    if quantity or amount:
                        parts[line].append((entry_id, quantity, amount))
        return parts

    @api.model
    def _make_refunds(self, parts):
        """Make a draft credit note per invoice from ``{invoice line: [(entry id, quantity, amount)]}``."""
        by_move = defaultdict(dict)
        for line, line_parts in parts.items():
            by_move[line.move_id][line.id] = line_parts
        vals_list = [self._prepare_refund(move, move_parts) for move, move_parts in by_move.items()]
        refunds = self.env["account.move"].create(vals_list)
        vals_list = []
        for refund, move_parts in zip(refunds, by_move.values(), strict=True):
            for line in refund.invoice_line_ids.filtered("psa_origin_line_id"):
                vals_list += [
                    self._credit_values(line, line.psa_origin_line_id.id, entry_id, quantity, amount)
                    for entry_id, quantity, amount in move_parts[line.psa_origin_line_id.id]
                ]
        self._insert(vals_list)
        return refunds

    @api.model
    def _prepare_refund(self, move, move_parts):
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        today = fields.Date.context_today(self)
        values = move.with_context(include_business_fields=True).copy_data({
            "move_type": "out_refund",
            "reversed_entry_id": move.id,
            "invoice_date": today,
            "date": today,
            "ref": self.env._("Correction of %s", move.name),
        })[0]
        lines = []
        for _command, _id, line in values.pop("line_ids"):
            line_parts = move_parts.get(line.get("psa_origin_line_id"))
            if line.get("display_type") != "product" or not line_parts:
                continue
            origin = self.env["account.move.line"].browse(line["psa_origin_line_id"])
            entry = self.env["psa.entry"].browse(line_parts[0][0])
            factor = self.env["psa.proposal"]._unit_factor(entry.uom_id, origin.product_uom_id)
            quantity, price = line_figures(
                sum((part[1] for part in line_parts), Decimal(0)) * factor,
                decimal_of(origin.price_unit),
                sum((part[2] for part in line_parts), Decimal(0)),
                move.currency_id,
                digits=digits,
                globally=move.company_id.tax_calculation_rounding_method == "round_globally",
            )
            lines.append(Command.create({**line, "quantity": float(quantity), "price_unit": float(price)}))
        values["invoice_line_ids"] = lines
        return values

    # === WHEN A DRAFT GOES === #
    def _release(self):
        """Take these allocations away (their invoice line is deleted) and let everything follow."""
        if not self:
            return
        entries, lines = self.entry_id, self.move_line_id
        proposals = lines.move_id.psa_proposal_ids
        self.unlink()
        # Of a split contract the entries may still stand on another customer's invoice.
        standing = self.search([
            ("entry_id", "in", entries.ids), ("kind", "=", "invoice"), ("state", "!=", "cancel"),
            ("move_id", "in", proposals.move_ids.ids),
        ]).entry_id
        gone = self.env["psa.proposal.line"].search([
            ("proposal_id", "in", proposals.ids), ("entry_id", "in", (entries - standing).ids), ("decision", "=", "in"),
        ])
        gone.write({"decision": "carried", "reason": self.env._("Removed from the draft invoice")})
        entries._after_allocation()

    # === WHEN AN INVOICE IS REPLACED === #
    @api.model
    def _replace_invoices(self, moves):
        """Allocate the draft invoices that replace credited ones (Odoo's "reverse and create invoice")."""
        lines = moves.invoice_line_ids.filtered("psa_origin_line_id")
        originals = self.search(
            [("move_line_id", "in", lines.psa_origin_line_id.ids), ("kind", "=", "invoice")]).grouped("move_line_id")
        entries = self._insert([
            {
                "entry_id": original.entry_id.id,
                "move_line_id": line.id,
                "move_id": line.move_id.id,
                "kind": "invoice",
                "state": "draft",
                "quantity": original.quantity,
                "amount": original.amount,
            }
            for line in lines for original in originals.get(line.psa_origin_line_id, ())
        ])
        entries._after_allocation()


# === PLAIN HELPERS === #
def _without(parts, taken):
    """Return ``parts`` less what was ``taken`` of them."""
    gone = {key: (quantity, amount) for key, quantity, amount in taken}
    rest = []
    for key, quantity, amount in parts:
        less_quantity, less_amount = gone.get(key, (Decimal(0), Decimal(0)))
        if quantity - less_quantity or amount - less_amount:
            rest.append((key, quantity - less_quantity, amount - less_amount))
    return rest

