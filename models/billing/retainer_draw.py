from collections import defaultdict
from decimal import Decimal

from odoo import fields, models
from odoo.tools import SQL

from .bulk import insert_rows
from .pricing import decimal_of, plain, quantity_of, round_amount

ZERO = Decimal(0)


class Lot:
    """What one lot still has for work, while draws are worked out: Decimals, in what the retainer counts.

    :ivar free: left, what expired of it included: late work of a day before its expiry draws on it all the same
    :ivar drawn: drawn by all entries
    """

    __slots__ = ("date", "drawn", "expires_on", "free", "id", "starts_on")

    def __init__(self, lot_id, day, starts_on, expires_on, free, drawn):
        self.id, self.date, self.starts_on, self.expires_on = lot_id, day, starts_on, expires_on
        self.free, self.drawn = free, drawn

    def serves(self, day):
        return (not self.starts_on or self.starts_on <= day) and (not self.expires_on or day <= self.expires_on)

    def take(self, units):
        self.free -= units
        self.drawn += units


class PsaEntry(models.Model):
    """Retainers pay for work: first in, first out over the lots that serve the work date, in order of work date."""

    _inherit = "psa.entry"

    draw_offered = fields.Boolean(
        readonly=True, copy=False,
        help="A retainer attached later would pay for this billed work: its credit is proposed as a change.")
    draw_ids = fields.One2many("psa.retainer.move", "entry_id", "Drawn From", readonly=True)

    # === HOURS THAT ONLY THE RETAINER HAS A PRICE FOR === #
    def _price_hours(self, rows):
        """An hour without a rate that a retainer of hours pays for is worth what the customer paid for that hour."""
        result = super()._price_hours(rows)
        unpriced = [row for row in rows if row["reason"] == "missing_rate"]
        retainers = self._retainers_of(unpriced)
        for row in unpriced:
            for retainer in retainers.get(row["order_id"], ()):
                price = retainer._hour_price() if retainer._pays_for(row) else None
                if price is None:
                    continue
                exact = row["gross_quantity"] * price
                row["gross"], row["rate"] = round_amount(exact, self._currency_of(row)), price
                row["trace"] = {
                    **row["trace"], "rule": "hours_times_retainer_price", "retainer": retainer.name,
                    "rate": plain(price), "exact": plain(exact), "amount": plain(row["gross"]),
                }
                row["state"], row["reason"], row["retainer_price"] = "approved", None, True
                break
        return result

    def _retainers_of(self, rows):
        """Return ``{order id: psa.retainer in order of age}`` of the orders of time and expenses. One query."""
        order_ids = {row["order_id"] for row in rows if row["kind"] in ("time", "expense")}
        if not order_ids:
            return {}
        retainers = self.env["psa.retainer"].with_context(active_test=False).search(
            [("order_id", "in", list(order_ids))], order="date_start, id")
        return {order.id: found for order, found in retainers.grouped("order_id").items()}

    # === DRAWING === #
    def _deduct_draws(self, rows):
        result = super()._deduct_draws(rows)
        retainers = self._retainers_of(rows)
        for row in rows:
            beforehand = row["kind"] == "time" and row["method"] in ("retainer", "prepaid")
            if beforehand and not self._is_billed(row) and not any(
                retainer.active for retainer in retainers.get(row["order_id"], ())
            ):
                # Nobody has said how it is drawn: billed by the hour it would be paid twice.
                row["state"], row["reason"] = "held", "retainer_empty"
        concerned = [row for row in rows if row["order_id"] in retainers and row["kind"] in ("time", "expense")]
        if not concerned:
            return result
        lots, own = self._open_lots(self.env["psa.retainer"].union(*retainers.values()), concerned)
        for row in sorted(concerned, key=lambda row: (row["work_date"], row["source_id"] or 0)):
            row["draws"] = []
            row["payers"] = [
                retainer for retainer in retainers[row["order_id"]]
                if row["state"] == "approved" and self._may_draw(row, retainer, lots, own)
            ]
            positive = row["amount"] > 0
            for retainer in row["payers"]:
                if row["amount"]:
                    self._draw(row, retainer, lots[retainer.id], own)
            if row["payers"] and row["amount"] and positive:
                self._over(row, row["payers"][-1])
        return result

    def _open_lots(self, retainers, rows):
        """Lock the ledgers and return what they hold for ``rows``.

        :return: ``({retainer id: [Lot], oldest first}, {entry id: {lot id: units}})``; what the rows' own entries drew
            is back in the lots, unless they are billed: then it stays theirs
        """
        retainers._lock()
        lots, by_id = defaultdict(list), {}
        for lot_id, retainer_id, day, starts_on, expires_on, free, drawn in self.env.execute_query(SQL(
            """
            SELECT lot.id, lot.retainer_id, lot.date, lot.starts_on, lot.expires_on,
                   (lot.rest + COALESCE(SUM(-taken.units) FILTER (WHERE taken.kind = 'expired'), 0))::text,
                   COALESCE(SUM(-taken.units) FILTER (WHERE taken.kind = 'drawn'), 0)::text
              FROM psa_retainer_move lot
         LEFT JOIN psa_retainer_move taken ON taken.lot_id = lot.id
             WHERE lot.retainer_id = ANY(%s) AND lot.lot_id IS NULL
          GROUP BY lot.id
          ORDER BY lot.date, lot.id
            """,
            retainers.ids,
        )):
            lot = by_id[lot_id] = Lot(lot_id, day, starts_on, expires_on, Decimal(free), Decimal(drawn))
            lots[retainer_id].append(lot)
        own = defaultdict(dict)
        entry_ids = {row["entry"].id: self._is_billed(row) for row in rows if row["entry"]}
        for entry_id, lot_id, units in self.env.execute_query(SQL(
            "SELECT entry_id, lot_id, units::text FROM psa_retainer_move WHERE entry_id = ANY(%s) AND kind = 'drawn'",
            list(entry_ids),
        )):
            if entry_ids[entry_id]:
                own[entry_id][lot_id] = -Decimal(units)
            elif lot_id in by_id:
                by_id[lot_id].take(Decimal(units))
        return lots, own

    def _may_draw(self, row, retainer, lots, own):
        """Tell whether a retainer has a say in a row; on billed work only one that had, or whose credit is proposed."""
        if not self._is_billed(row):
            return retainer.active and retainer._pays_for(row)
        entry = row["entry"]
        return (
            any(lot.id in own[entry.id] for lot in lots[retainer.id])
            or (self._is_offered(entry) or _over_before(entry)) and retainer._pays_for(row)
        )

    def _is_offered(self, entry):
        """Tell whether billed work may draw: its credit is proposed, or worked out for a proposal."""
        return entry.draw_offered or self.env.context.get("psa_offer_draws", False)

    def _draw(self, row, retainer, lots, own):
        """Let one row draw on one retainer."""
        needed = row["quantity"] if retainer.unit == "hours" else row["amount"]
        if self._is_billed(row):
            taken = self._draw_billed(row, lots, own[row["entry"].id], needed)
        elif needed < 0:
            taken = self._give_back(row, lots, needed)
        else:
            taken = _take(lots, row["work_date"], needed)
        units = sum((part for _lot, part in taken), ZERO)
        if units:
            self._note_draw(row, retainer, taken, units, needed)

    def _draw_billed(self, row, lots, own, needed):
        """Billed work keeps what it drew, and draws more only when its credit was proposed."""
        taken, left = [], needed
        for lot in lots:
            part = own.get(lot.id, ZERO)
            if part and left and (part < 0) == (left < 0):
                taken.append((lot, min(part, left, key=abs)))
                left -= taken[-1][1]
        if self._is_offered(row["entry"]) and left > 0:
            more = defaultdict(Decimal, dict(taken))
            for lot, part in _take(lots, row["work_date"], left):
                more[lot] += part
            taken = list(more.items())
        return taken

    def _give_back(self, row, lots, needed):
        """A correction of less than nothing gives back what was drawn, the newest lot first."""
        taken, left = [], -needed
        for lot in reversed(lots):
            part = min(lot.drawn, left) if lot.serves(row["work_date"]) else ZERO
            if part > 0:
                lot.take(-part)
                taken.append((lot, -part))
                left -= part
        return taken

    def _note_draw(self, row, retainer, taken, units, needed):
        """Take what was drawn off the row, and remember by lot what :meth:`_after_store` writes."""
        currency = self._currency_of(row)
        by_hours = retainer.unit == "hours"
        whole = units == needed
        if by_hours:
            hours = units
            amount = row["amount"] if whole else round_amount(row["amount"] * units / needed, currency)
        else:
            amount = units
            hours = row["quantity"] if whole else quantity_of(row["quantity"] * units / needed)
        left_amount, left_hours = amount, hours
        for index, (lot, part) in enumerate(taken):
            last = index == len(taken) - 1
            part_amount = left_amount if last else round_amount(amount * part / units, currency)
            part_hours = left_hours if last else quantity_of(hours * part / units)
            left_amount, left_hours = left_amount - part_amount, left_hours - part_hours
            row["draws"].append((retainer, lot.id, part, part_amount, part_hours))
        self._take_off(
            row, "drawn", amount, hours, retainer=retainer.name,
            lots=[{"lot": lot.date.isoformat(), "drawn": plain(part)} for lot, part in taken])

    def _over(self, row, retainer):
        """What the retainer does not pay for: at the contract's rate, at the overage rate, or held."""
        row["short"] = True
        billed = self._is_billed(row)
        if billed and not (self._is_offered(row["entry"]) or _over_before(row["entry"])):
            return
        if retainer.overage == "overage_rate" and row["kind"] == "time":
            price = decimal_of(retainer.overage_rate)
            amount = round_amount(row["quantity"] * price, self._currency_of(row))
            row["gross"] += amount - row["amount"]
            row["steps"].append({
                "step": "overage", "hours": plain(row["quantity"]), "rate": plain(price),
                "amount": plain(amount - row["amount"]), "left": plain(amount),
            })
            row["amount"], row["rate"] = amount, price
        elif billed:
            return
        elif retainer.overage == "hold":
            row["state"], row["reason"] = "held", "retainer_empty"
        elif row.get("retainer_price"):
            # What an hour over the retainer costs nobody has said yet.
            row["gross"] -= row["amount"]
            row["amount"] = ZERO
            row["state"], row["reason"] = "held", "missing_rate"

    def _held_retainer_empty(self, row):
        order = self._order_of(row)
        if not row.get("payers"):
            line = self.env["sale.order.line"].browse(row["order_line_id"])
            return f"retainer:line:{line.id}", self.env._(
                "Work on “%(line)s” of %(contract)s (%(customer)s) is paid beforehand, but there is no retainer that "
                "it draws on", line=line.name.split("\n")[0], contract=order.name, customer=order.partner_id.name,
            ), line
        retainer = row["payers"][-1]
        return f"retainer:{retainer.id}", self.env._(
            "“%(retainer)s” of %(contract)s (%(customer)s) is used up, and work goes on",
            retainer=retainer.name, contract=order.name, customer=order.partner_id.name,
        ), retainer

    # === WRITING === #
    def _after_store(self, rows):
        """Write the draws of rows, replacing what their entries drew before; then let others follow."""
        result = super()._after_store(rows)
        self._write_draws([row for row in rows if row["kind"] in ("time", "expense")])
        return result

    def _write_draws(self, rows):
        Move = self.env["psa.retainer.move"]
        known = Move.search([("entry_id", "in", [row["entry"].id for row in rows]), ("kind", "=", "drawn")])
        if not known and not any(row.get("draws") or row.get("short") for row in rows):
            return
        known = known.grouped("entry_id")
        gone, new = Move, []
        for row in rows:
            before = known.get(row["entry"], Move)
            wanted = self._draw_values(row)
            if sorted((move.lot_id.id, move.units, move.amount, move.date) for move in before) != sorted(
                (values["lot_id"], values["units"], values["amount"], values["date"]) for values in wanted
            ):
                gone |= before
                new += wanted
        given_back = gone.retainer_id
        self._replace_draws(gone, new)
        entries = self.union(*(row["entry"] for row in rows))
        entries.invalidate_recordset(["draw_ids"])
        entries.filtered("draw_offered").draw_offered = False
        if self.env.context.get("psa_redraw", True):
            self._let_others_follow(rows, given_back)

    def _draw_values(self, row):
        return [
            {
                "retainer_id": retainer.id,
                "order_id": row["order_id"],
                "company_id": row["company_id"],
                "date": row["work_date"],
                "kind": "drawn",
                "lot_id": lot_id,
                "entry_id": row["entry"].id,
                "units": -float(units),
                "amount": -float(amount),
                "hours": -float(hours),
                "rest": 0.0,
            }
            for retainer, lot_id, units, amount, hours in row.get("draws") or ()
        ]

    def _replace_draws(self, gone, new):
        """Delete and insert draws; lots whose last day is over expire anew with what is left of them."""
        if not gone and not new:
            return
        Move = self.env["psa.retainer.move"]
        lots = gone.lot_id | Move.browse({values["lot_id"] for values in new})
        retainers = lots.retainer_id
        expired = Move.search([("lot_id", "in", lots.ids), ("kind", "=", "expired")])
        rest = defaultdict(Decimal, {lot.id: decimal_of(lot.rest) for lot in lots})
        for move in gone | expired:
            rest[move.lot_id.id] -= decimal_of(move.units)
        overdrawn = {lot_id for lot_id, left in rest.items() if left < 0}
        for values in new:
            rest[values["lot_id"]] += decimal_of(values["units"])
        overdrawn |= {lot_id for lot_id, left in rest.items() if left < 0}
        # A correction that gives back less than it did leaves too little for work that drew on it meanwhile: all of it
        # that is on no invoice draws again.
        redrawn = Move.browse(overdrawn).retainer_id if self.env.context.get("psa_redraw", True) else retainers.browse()
        redrawn._release_unbilled()
        (gone | expired).exists().unlink()
        insert_rows(Move, new)
        Move._refresh(retainers)
        retainers._expire()
        redrawn._redraw()
        retainers._alert()

    def _let_others_follow(self, rows, given_back):
        """Keep the order of work dates: who came late with older work goes before newer work that is on no invoice."""
        since = {}
        for row in rows:
            for retainer in row["payers"] if row.get("short") else ():
                since[retainer] = min(since.get(retainer, row["work_date"]), row["work_date"])
        ids = [row["entry"].id for row in rows]
        for retainer, day in since.items():
            if self.env["psa.retainer.move"].search_count([
                ("retainer_id", "=", retainer.id), ("kind", "=", "drawn"), ("date", ">", day),
                ("entry_id", "not in", ids), ("entry_id.billing_state", "=", "to_bill"),
            ], limit=1):
                retainer._redraw(day)
        for retainer in given_back:
            retainer._redraw_short()


class PsaRetainer(models.Model):
    _inherit = "psa.retainer"

    def _redraw_short(self):
        """Let work draw that a retainer could not pay for so far, from the oldest such work on."""
        short = self._scope().filtered(lambda entry: entry.state != "excluded" and entry.amount > 0 and any(
            retainer.date_start <= entry.work_date for retainer in self))
        if short:
            self._redraw(min(short.mapped("work_date")))


# === PLAIN HELPERS === #
def _over_before(entry):
    """Tell whether an entry was priced at an overage rate."""
    return any(step.get("step") == "overage" for step in (entry.trace or {}).get("steps", ()))


def _take(lots, day, needed):
    """Take up to ``needed`` from the lots that serve ``day``, oldest first; return ``[(Lot, units)]``."""
    taken = []
    for lot in lots:
        if needed <= 0:
            break
        part = min(lot.free, needed) if lot.serves(day) else ZERO
        if part > 0:
            lot.take(part)
            taken.append((lot, part))
            needed -= part
    return taken
