import re

from odoo import api, fields, models

_REFERENCE = re.compile(r"account\.move:\d+")


class PsaPaymentMatch(models.Model):
    """A person's word on which invoice a payment at the source pays, because the payment itself does not say."""

    _name = "psa.payment.match"
    _description = "Invoice of a Payment"
    _order = "id desc"
    _check_company_auto = True

    connection_id = fields.Many2one("psa.connection", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one(related="connection_id.company_id", store=True, index=True)
    object_type = fields.Char(required=True, readonly=True)
    external_id = fields.Char("External ID", required=True, readonly=True)
    move_id = fields.Many2one(
        "account.move", "Invoice", required=True, readonly=True, index=True, check_company=True, ondelete="cascade")

    _external_uniq = models.Constraint(
        "UNIQUE(connection_id, object_type, external_id)", "The invoice of this payment is known already.")

    @api.depends("external_id", "move_id")
    def _compute_display_name(self):
        for match in self:
            match.display_name = f"{match.external_id}: {match.move_id.name}"


class PsaApplyPaymentInvoice(models.AbstractModel):
    """Which invoice a payment pays: the one that a person chose, else the one that it names, else the only open one of
    its customer over just this amount. It is never guessed.
    """

    _name = "psa.apply.payment.invoice"
    _inherit = "psa.apply"
    _description = "Find the Invoice of a Payment"

    def _match(self, items):
        """Set ``item.parents["invoice"]`` of each of ``items``, or hold the item."""
        chosen = self._chosen(items)
        named = self._named([item for item in items if item not in chosen])
        unnamed = []
        for item in items:
            if item in chosen or item in named:
                self._accept(item, chosen.get(item) or named[item])
            elif _REFERENCE.fullmatch(self._reference(item)):
                self._hold_unmatched(item, self.env._(
                    "names an invoice that is not of this database or not of this connection"))
            else:
                unnamed.append(item)
        taken = self.env["account.move"].union(
            *(item.parents["invoice"] for item in items if "invoice" in item.parents))
        for item in unnamed:
            self._match_by_amount(item, taken)
            taken |= item.parents.get("invoice", taken)

    def _reference(self, item):
        return (item.values["invoice_reference"] or "").strip()

    def _chosen(self, items):
        """Return ``{item: invoice}`` of what people said."""
        matches = self.env["psa.payment.match"].search([
            ("connection_id", "in", list({item.connection.id for item in items})),
            ("external_id", "in", [item.external_id for item in items]),
        ])
        found = {(match.connection_id.id, match.object_type, match.external_id): match.move_id for match in matches}
        keys = {item: (item.connection.id, item.object_type, item.external_id) for item in items}
        return {item: found[key] for item, key in keys.items() if key in found}

    def _named(self, items):
        """Return ``{item: invoice}`` of those that name one, by the hub's reference or by its number.

        The hub's reference counts only on the connection that got it: another database has an invoice 57 too.
        """
        references = {item: self._reference(item) for item in items if self._reference(item)}
        if not references:
            return {}
        companies = {item.company.id for item in references}
        bindings = self.env["psa.binding"].search([
            ("connection_id", "in", list({item.connection.id for item in references})),
            ("external_id", "in", list(references.values())), ("res_model", "=", "account.move"),
        ])
        Move = self.env["account.move"]
        bound = {
            (binding.connection_id.id, binding.external_id): move
            for binding in bindings if (move := Move.browse(binding.res_id).exists())
        }
        numbered = {}
        for move in Move.search([
            ("name", "in", list(references.values())), ("company_id", "in", list(companies)),
            ("move_type", "=", "out_invoice"), ("state", "=", "posted"),
        ]):
            key = (move.company_id.id, move.name)
            numbered[key] = numbered.get(key, Move) | move
        found = {}
        for item, reference in references.items():
            invoice = bound.get((item.connection.id, reference)) or numbered.get((item.company.id, reference), Move)
            if len(invoice) == 1:
                found[item] = invoice
        return found

    def _accept(self, item, invoice):
        """Take ``invoice`` when the payment can be booked on it."""
        if invoice.move_type != "out_invoice" or invoice.company_id != item.company:
            self._hold_unmatched(item, self.env._(
                "names %s, which is no invoice of this company", invoice.name), invoice)
        elif invoice.state != "posted":
            self._hold_unmatched(item, self.env._(
                "names the invoice %s, which is not posted", invoice.name or invoice.id), invoice)
        elif invoice.currency_id.name != item.values["currency"]:
            self._hold_unmatched(item, self.env._(
                "names the invoice %(invoice)s, which is in %(currency)s", invoice=invoice.name,
                currency=invoice.currency_id.name), invoice)
        else:
            item.parents["invoice"] = invoice

    def _match_by_amount(self, item, taken):
        party = item.parents.get("party")
        candidates = self._open_over_amount(item, party) - taken if party else self.env["account.move"]
        if len(candidates) == 1:
            item.parents["invoice"] = candidates
        elif candidates:
            self._hold_unmatched(item, self.env._(
                "names no invoice, and %(customer)s has %(count)s open invoices over this amount",
                customer=party.display_name, count=len(candidates)), party)
        else:
            self._hold_unmatched(item, self.env._("names no invoice, and no open one fits"), party)

    def _open_over_amount(self, item, party):
        """Return the open invoices of ``party`` over the amount of ``item``."""
        amount = float(item.values["amount"])
        return self.env["account.move"].search([
            ("commercial_partner_id", "=", party.commercial_partner_id.id), ("company_id", "=", item.company.id),
            ("move_type", "=", "out_invoice"), ("state", "=", "posted"),
            ("currency_id.name", "=", item.values["currency"]), ("payment_state", "in", ("not_paid", "partial")),
        ]).filtered(lambda move: not move.currency_id.compare_amounts(move.amount_residual, amount))

    def _hold_unmatched(self, item, reason, record=None):
        """Hold ``item`` until a person says which invoice it pays.

        :param reason: what follows "The payment of EUR 100.00 by Contoso on 2026-05-01 ..."
        """
        source = item.values
        item.hold(
            "payment_unmatched",
            self.env._(
                "The money of %(payer)s on %(date)s (%(amount)s %(currency)s, %(reference)s) %(reason)s.",
                payer=source["customer_name"] or source["customer_email"] or self.env._("an unnamed customer"),
                date=source["paid_on"], amount=f"{source['amount']:,.2f}", currency=source["currency"],
                reference=item.name, reason=reason,
            ),
            key=item.key, amount=source["amount"], currency=source["currency"], company=item.company, record=record,
        )
