from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .pricing import decimal_of, quantity_of, round_amount
from .retainer_move import LOT_KINDS


class PsaRetainer(models.Model):
    """What is added: the fees of the fee line as they become due, billed or paid; and what a person adds."""

    _inherit = "psa.retainer"

    # === FEES === #
    def _fill(self):
        """Let the lots of these retainers follow the fees they come from, in the same transaction.

        A lot that shrinks (its fee is credited or withdrawn) takes the draws of unbilled work with it; that work draws
        again on what is left.
        """
        retainers = self.filtered("fee_line_id")
        if not retainers:
            return
        self._lock()
        Move = self.env["psa.retainer.move"]
        charges = self.env["psa.charge"].search([
            ("order_line_id", "in", retainers.fee_line_id.ids), ("kind", "=", "retainer")])
        shares = charges._paid_shares({retainer.adds_when for retainer in retainers})
        lots = Move.search([("charge_id", "in", charges.ids)]).grouped("charge_id")
        by_line = charges.grouped("order_line_id")
        for retainer in retainers:
            wanted = {}
            for charge in by_line.get(retainer.fee_line_id, ()):
                values = retainer._lot_of(charge, shares[retainer.adds_when].get(charge.id, Decimal(0)))
                if values["units"] > 0:
                    wanted[charge] = values
            mine = Move.union(*(lots[charge] for charge in by_line.get(retainer.fee_line_id, ()) if charge in lots))
            retainer._write_lots(mine, wanted)

    def _write_lots(self, lots, wanted):
        """Write what differs of the lots of one retainer and let unbilled work follow."""
        self.ensure_one()
        Move = self.env["psa.retainer.move"]
        changed = {
            lot: wanted[lot.charge_id] for lot in lots
            if lot.charge_id in wanted and any(
                lot._fields[name].convert_to_write(lot[name], lot) != value
                for name, value in wanted[lot.charge_id].items())
        }
        gone = lots.filtered(lambda lot: lot.charge_id not in wanted)
        new = [values for charge, values in wanted.items() if charge not in lots.charge_id]
        if not (changed or gone or new):
            return
        if gone or any(values["units"] < lot.units for lot, values in changed.items()):
            self._release_unbilled()
        touched = gone.union(*changed)
        Move.search([("lot_id", "in", touched.ids), ("kind", "=", "expired")]).unlink()
        for lot, values in changed.items():
            lot._check_still_covers(values["units"])
            lot.write(values)
        for lot in gone:
            lot._check_still_covers(0.0)
        gone.unlink()
        Move.create(new)
        self._expire()
        self._redraw()
        if new or changed:
            self._reset_alerts()

    def _lot_of(self, charge, share):
        """Return the values of the lot that a fee fills.

        :param charge: psa.charge of the fee line
        :param share: Decimal between 0 and 1: how much of the fee counts by now
        """
        self.ensure_one()
        line, entry = charge.order_line_id, charge.entry_ids
        hours = Decimal(0)
        if self.unit == "hours" and line.psa_billing_method == "prepaid":
            hours = decimal_of(entry.gross_quantity) * share * self.env["psa.proposal"]._unit_factor(
                line.product_uom_id, self.env.ref("uom.product_uom_hour"))
        elif self.unit == "hours":
            # A part of a period gives its part of the hours, by days.
            days = charge.trace.get("days_charged", 1), charge.trace.get("days_of_period", 1)
            hours = decimal_of(self.hours_per_period) * share * days[0] / days[1]
        # What the entry says, not the charge: a change after billing counts once it is settled.
        amount = round_amount(decimal_of(entry.gross_amount) * share, self.currency_id)
        hours = quantity_of(hours)
        periodic = not line._psa_charged_once()
        counts = charge.state == "charged" and (not periodic or charge.date_to >= self.date_start)
        return {
            "retainer_id": self.id,
            "kind": "added",
            "charge_id": charge.id,
            "date": charge.date_from,
            "starts_on": max(charge.date_from, self.date_start) if periodic else self.date_start,
            "expires_on": self._expiry_of(charge.date_from) or False,
            "units": float((hours if self.unit == "hours" else amount) * counts),
            "amount": float(amount * counts),
            "hours": float(hours * counts),
        }

    # === BY HAND === #
    def _add_by_hand(self, day, units, expires_on, note, kind="opening"):
        """Add an opening balance or a top-up without a fee. Held work draws on it in the same transaction."""
        self.ensure_one()
        self._lock()
        lot = self.env["psa.retainer.move"].create({
            "retainer_id": self.id, "kind": kind, "date": day, "starts_on": self.date_start,
            "expires_on": expires_on or self._expiry_of(day) or False, "units": units,
            "amount": units if self.unit == "amount" else 0.0, "hours": units if self.unit == "hours" else 0.0,
            "note": note,
        })
        lot._log("retainer.add")
        self._expire()
        self._redraw()
        self._reset_alerts()
        return lot

    # === LOCK AND RELEASE === #
    def _lock(self):
        """Let one transaction at a time work on these ledgers; whoever comes second looks again from the start."""
        if self:
            self.env.flush_all()
            self.env.execute_query(SQL(
                "SELECT id FROM psa_retainer WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", self.ids))

    def _release_unbilled(self):
        """Give back what work on no invoice has drawn; the caller lets it draw again (:meth:`_redraw`)."""
        moves = self.env["psa.retainer.move"].search([
            ("retainer_id", "in", self.ids), ("kind", "=", "drawn"), ("entry_id.billing_state", "=", "to_bill")])
        expired = self.env["psa.retainer.move"].search([
            ("lot_id", "in", moves.lot_id.ids), ("kind", "=", "expired")])
        (moves | expired).unlink()

    # === EXPIRY === #
    @api.model
    def _cron_expire(self):
        """Let lots expire whose last day is over."""
        due = self.env["psa.retainer.move"].search([
            ("kind", "in", LOT_KINDS), ("rest", ">", 0), ("expires_on", "<", fields.Date.context_today(self))])
        due.retainer_id._expire()

    def _expire(self):
        """Write off what is left of lots whose last day is over, dated that day. Doing it twice changes nothing."""
        Move = self.env["psa.retainer.move"]
        due = Move.search([
            ("retainer_id", "in", self.ids), ("kind", "in", LOT_KINDS), ("rest", ">", 0),
            ("expires_on", "<", fields.Date.context_today(self)),
        ])
        if not due:
            return
        due.retainer_id._lock()
        expired = Move.search([("lot_id", "in", due.ids), ("kind", "=", "expired")]).grouped("lot_id")
        new = []
        for lot in due:
            if lot in expired:
                expired[lot].units -= lot.rest
                continue
            share = lot.rest / lot.units
            new.append({
                "retainer_id": lot.retainer_id.id, "kind": "expired", "date": lot.expires_on, "lot_id": lot.id,
                "units": -lot.rest, "amount": -lot.currency_id.round(lot.amount * share), "hours": -lot.hours * share,
            })
        Move.create(new)


class PsaRetainerMove(models.Model):
    _inherit = "psa.retainer.move"

    starts_on = fields.Date("First Day", readonly=True, help="Of a lot: the first work date that may draw on it.")

    def _check_still_covers(self, units):
        """Refuse to take away what billed work has drawn: its invoice would have billed too little."""
        self.ensure_one()
        drawn = self.units - self.rest
        if units < round(drawn, 6):
            raise UserError(self.env._(
                "%(retainer)s: work that is on invoices has drawn %(drawn)s of what this fee paid for. Credit that "
                "work first.", retainer=self.retainer_id.name, drawn=round(drawn, 2)))


class PsaCharge(models.Model):
    _inherit = "psa.charge"

    def _paid_shares(self, rules):
        """Return ``{rule: {charge id: share of the fee that is due, billed or paid}}``, Decimals from 0 to 1."""
        shares = {rule: {} for rule in rules}
        for charge in self:
            due = charge.state == "charged" and charge.entry_ids.state == "approved"
            shares.setdefault("approved", {})[charge.id] = Decimal(1 if due else 0)
        if not rules & {"billed", "paid"}:
            return shares
        # What stands on an invoice that is paid, less what posted credit notes of it take back.
        for allocation in self.env["psa.allocation"].search([
            ("entry_id.charge_id", "in", self.ids), ("state", "=", "posted")
        ]):
            charge = allocation.entry_id.charge_id
            invoice = allocation.origin_line_id.move_id or allocation.move_id
            billable = decimal_of(allocation.entry_id.amount)
            share = decimal_of(allocation.amount) / billable if billable else Decimal(0)
            for rule in rules & {"billed", "paid"}:
                if rule == "billed" or invoice._psa_is_paid():
                    shares[rule][charge.id] = shares[rule].get(charge.id, Decimal(0)) + share
        return {
            rule: {key: min(max(share, Decimal(0)), Decimal(1)) for key, share in found.items()}
            for rule, found in shares.items()
        }

    def _fill_retainers(self):
        """Let the retainers follow that these fees fill."""
        if lines := self.order_line_id:
            self.env["psa.retainer"].sudo().search([("fee_line_id", "in", lines.ids)])._fill()


class PsaEntry(models.Model):
    """Fees fill retainers when they become due, and when their invoices change."""

    _inherit = "psa.entry"

    def _after_store(self, rows):
        result = super()._after_store(rows)
        fees = self.env["psa.charge"].browse([row["source_id"] for row in rows if row["kind"] == "retainer"])
        fees._fill_retainers()
        return result

    def _after_allocation(self):
        """Fees that are billed or credited fill or empty retainers; work that is free again draws on them."""
        result = super()._after_allocation()
        entries = self.sudo()
        entries.charge_id.filtered(lambda charge: charge.kind == "retainer")._fill_retainers()
        if self.env.context.get("psa_redraw", True):
            self._reprice(entries.filtered(lambda entry: (
                entry.billing_state == "to_bill" and entry.state == "approved"
                and entry.kind in ("time", "expense") and entry.order_id.psa_retainer_ids)))
        return result
