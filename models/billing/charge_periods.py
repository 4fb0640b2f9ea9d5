from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL, split_every

from .charge_terms import PERIODIC_METHODS
from .entry_kinds import HUSH
from .pricing import decimal_of, plain, quantity_of, round_amount
from .recurrence import DAY, decimal_from, prorate

_BATCH = 200


class PsaCharge(models.Model):
    """Charges by the period: worked out anew from the terms each time, so that doing it twice changes nothing."""

    _inherit = "psa.charge"

    # === ENTRY POINTS === #
    @api.model
    def _cron_charge(self):
        """Charge what is due today, and say which lines cannot be charged."""
        today = fields.Date.context_today(self)
        lines = self._lines_due([("order_id.psa_contract", "=", True), ("order_id.state", "=", "sale")], today)
        left = len(lines)
        for batch in split_every(_BATCH, lines.ids, lines.browse):
            self._charge(batch, today)
            left -= len(batch)
            self.env["ir.cron"]._commit_progress(len(batch), remaining=left)

    @api.model
    def _charge_orders(self, orders, until):
        """Charge what is due on contracts up to a day, before it is proposed."""
        self._charge(self._lines_due([
            ("order_id", "in", orders.ids), ("order_id.psa_contract", "=", True), ("order_id.state", "=", "sale"),
        ], until), until)

    @api.model
    def _lines_due(self, domain, until):
        return self.env["sale.order.line"].sudo().search([
            *domain,
            ("display_type", "=", False),
            ("psa_billing_method", "in", PERIODIC_METHODS),
            "|", ("psa_next_charge_date", "=", False), ("psa_next_charge_date", "<=", until),
        ])

    @api.model
    def _charge(self, lines, until):
        """Bring the charges of these lines to what their terms say, up to a day.

        What was charged further ahead stays charged. A charge that no longer applies is withdrawn; one that is on an
        invoice becomes a pending change of its entry, as any change after billing.

        :param lines: contract lines of any billing method
        :param until: last day; charges that become due later are left to a later run
        :return: the charges that are new or changed
        """
        self = self.sudo().with_context(**HUSH)
        lines = lines.sudo()
        self._raise_missing(lines)
        if not lines:
            return self.browse()
        # One worker at a time: a second one waits, finds the line changed and looks again in a new transaction.
        lines.flush_recordset()
        self.env.execute_query(SQL(
            "SELECT id FROM sale_order_line WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", lines.ids))
        known = self.search([("order_line_id", "in", lines.ids), ("kind", "!=", "progress")]).grouped("order_line_id")
        to_create, changed = [], self.browse()
        for line in lines:
            charges = known.get(line, self.browse())
            if line.psa_billing_method not in PERIODIC_METHODS:
                wanted, due = [], False
            elif line._psa_missing_terms():
                continue
            elif line._psa_charged_once():
                wanted, due = self._wanted_once(line, charges), False
            else:
                horizon = max([until, *charges.filtered(lambda c: c.state == "charged").mapped("date_due")])
                wanted, due = self._wanted_periods(line, horizon)
            new, touched = self._compare(charges, wanted)
            to_create += new
            changed |= touched
            if line.psa_next_charge_date != due:
                line.psa_next_charge_date = due
        changed |= self.create(to_create)
        self._mark_lines(changed.order_line_id)
        changed._tell_billing()
        return changed

    @api.model
    def _mark_lines(self, lines):
        """Write the rows of lines whose charges changed: who works on them at the same time looks again."""
        self.env.flush_all()
        self.env.execute_query(SQL(
            "UPDATE sale_order_line SET psa_next_charge_date = psa_next_charge_date WHERE id = ANY(%s) RETURNING id",
            lines.ids))

    @api.model
    def _compare(self, charges, wanted):
        """Write what differs; return ``(values of new charges, changed charges)``."""
        changed, by_start = self.browse(), {}
        for charge in charges.sorted(lambda charge: (charge.state == "charged", charge.id)):
            by_start[charge.date_from] = charge
        kept, to_write, new = self.browse(), [], []
        for values in wanted:
            charge = by_start.get(values["date_from"])
            if not charge:
                new.append(values)
                continue
            kept |= charge
            if any(charge[name] != value for name, value in values.items() if name not in ("order_line_id", "trace")):
                to_write.append((charge, values))
        # First what goes, then what moves: the database looks at each statement.
        gone = (charges - kept).filtered(lambda charge: charge.state == "charged")
        gone.write({"state": "withdrawn"})
        gone.flush_recordset()
        for charge, values in to_write:
            charge.write(values)
            changed |= charge
        return new, changed | gone

    # === WHAT A LINE SHOULD CHARGE === #
    @api.model
    def _wanted_periods(self, line, horizon):
        """Return ``(charge values up to the horizon, the day on which the next one is due or False)``."""
        terms, per_period = line._psa_terms()
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        step = Decimal(1).scaleb(-digits)
        advance = line.psa_charge_when == "advance"
        wanted = []
        for whole, part in terms.periods():
            due = part.start if advance else part.end
            if due > horizon:
                return wanted, due
            amount = prorate(terms.worth, whole, part, lambda exact: round_amount(exact, line.currency_id))
            share = decimal_from(terms.share(whole, part.start, part.end))
            quantity = prorate(
                terms.share, whole, part, lambda share: (share * per_period).quantize(step, "ROUND_HALF_UP"))
            if not amount:
                continue
            wanted.append({
                "order_line_id": line.id,
                "kind": "recurring" if line.psa_billing_method == "recurring" else "retainer",
                "date_from": part.start,
                "date_to": part.end,
                "date_due": due,
                "quantity": float(abs(quantity or step).copy_sign(amount)),
                "amount": float(amount),
                "percent": float(round(share * 100, 4)),
                "state": "charged",
                "trace": self._period_trace(terms, whole, part),
            })
        return wanted, False

    @api.model
    def _period_trace(self, terms, whole, part):
        days = terms.active_days(part)
        return {
            "period": f"{whole.start.isoformat()} – {whole.end.isoformat()}",
            "days_of_period": whole.days,
            "days_charged": days,
            "days_paused": part.days - days,
            "prices": [
                {"from": valid_from.isoformat(), "price": plain(quantity_of(decimal_from(price)))}
                for valid_from, price in terms.prices_in(part)
            ],
        }

    @api.model
    def _wanted_once(self, line, charges):
        """Return the values of what is charged once: the ordered quantity at its price.

        When more is ordered later, the difference is a charge of its own; before anything is billed, and when less is
        ordered, the last charge follows.
        """
        charges = charges.filtered(lambda charge: charge.state == "charged").sorted("date_from")
        quantity, total = decimal_of(line.product_uom_qty), round_amount(line._psa_line_total(), line.currency_id)
        last = charges[-1:]
        wanted = [
            {
                name: charge._fields[name].convert_to_write(charge[name], charge)
                for name in ("order_line_id", "kind", "date_from", "date_to", "date_due", "quantity", "amount",
                             "percent", "state", "trace")
            }
            for charge in charges
        ]
        more = total - sum((decimal_of(charge.amount) for charge in charges), Decimal(0))
        more_quantity = quantity - sum((decimal_of(charge.quantity) for charge in charges), Decimal(0))
        if not more and not more_quantity:
            return wanted
        if last and (last.billing_state == "to_bill" or more < 0):
            wanted[-1]["amount"] = float(decimal_of(last.amount) + more)
            wanted[-1]["quantity"] = float(decimal_of(last.quantity) + more_quantity)
        else:
            day = line.psa_date_start or line.order_id.date_order.date()
            if last:
                day = max(fields.Date.context_today(self), last.date_to + DAY)
            wanted.append({
                "order_line_id": line.id,
                "kind": "recurring" if line.psa_billing_method == "recurring" else "retainer",
                "date_from": day, "date_to": day, "date_due": day,
                "quantity": float(more_quantity), "amount": float(more), "percent": 100.0, "state": "charged",
                "trace": {"quantity": plain(more_quantity), "price": plain(line.price_unit)},
            })
        return [values for values in wanted if values["amount"]]

    # === WHAT CANNOT BE CHARGED === #
    @api.model
    def _raise_missing(self, lines):
        """Keep one exception for each line whose terms do not say when to charge, with the money that waits."""
        Exceptions = self.env["psa.exception"].sudo()
        missing = {line: words for line in lines if (words := line._psa_missing_terms())}
        complete = lines - lines.browse([line.id for line in missing])
        keys = [f"terms:{line.id}" for line in lines]
        known = Exceptions.search([("subject_key", "in", keys), ("is_open", "=", True)])
        known.filtered(lambda e: e.subject_key in {f"terms:{line.id}" for line in complete})._close("resolved")
        open_keys = set(known.mapped("subject_key"))
        Exceptions._raise([
            {
                "cause": "billing_terms_missing",
                "subject_key": f"terms:{line.id}",
                "text": self.env._(
                    "“%(line)s” of %(contract)s (%(customer)s) cannot be charged: the terms do not say %(what)s",
                    line=line.name.split("\n")[0], contract=line.order_id.name,
                    customer=line.order_id.partner_id.name, what=words),
                "company_id": line.company_id.id,
                "amount": line.price_subtotal,
                "currency_id": line.currency_id.id,
                "res_model": "sale.order.line",
                "res_id": line.id,
            }
            for line, words in missing.items() if f"terms:{line.id}" not in open_keys
        ])


class PsaException(models.Model):
    _inherit = "psa.exception"

    def _fix_billing_terms(self):
        """The terms of the line that cannot be charged."""
        line = self.env["sale.order.line"].browse(self.res_id or 0).exists()
        return line.action_psa_terms() if self.res_model == "sale.order.line" and line else self._fix_record()
