from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .entry import QUANTITY_DIGITS
from .statement_triggers import sums_follow_rows

MOVE_KINDS = [("opening", "Opening"), ("added", "Added"), ("drawn", "Drawn"), ("expired", "Expired")]
LOT_KINDS = ("opening", "added")

# Balance and rests follow the moves inside the database, whoever writes them; the CHECKs then refuse what would draw
# too much. A move is a lot (its own rest) or takes from one. Setting a rest is an update of the same table: it changes
# no units, so the trigger that it fires finds nothing to do.
_NEW = SQL("SELECT retainer_id, COALESCE(lot_id, id) AS lot_id, units FROM new_rows")
_OLD = SQL("SELECT retainer_id, COALESCE(lot_id, id) AS lot_id, -units FROM old_rows")


class PsaRetainerMove(models.Model):
    """One line of a retainer's ledger: something added, drawn by work, or expired.

    What is added is a *lot*. Draws and expiry name the lot that they take from, so that the oldest goes first and each
    lot expires for itself.
    """

    _name = "psa.retainer.move"
    _description = "Retainer Ledger"
    _order = "date desc, id desc"
    _check_company_auto = True

    # === FIELDS === #
    retainer_id = fields.Many2one("psa.retainer", required=True, index=True, readonly=True, ondelete="restrict")
    order_id = fields.Many2one(related="retainer_id.order_id", store=True, index=True, precompute=True)
    company_id = fields.Many2one(related="retainer_id.company_id", store=True, index=True, precompute=True)
    currency_id = fields.Many2one(related="retainer_id.currency_id")
    unit = fields.Selection(related="retainer_id.unit")
    date = fields.Date(required=True, readonly=True)
    kind = fields.Selection(MOVE_KINDS, required=True, readonly=True)
    lot_id = fields.Many2one(
        "psa.retainer.move", "From", index="btree_not_null", readonly=True, ondelete="restrict",
        help="What was added and is drawn on.")
    entry_id = fields.Many2one("psa.entry", index="btree_not_null", readonly=True, ondelete="restrict")
    charge_id = fields.Many2one("psa.charge", "Fee", readonly=True, ondelete="restrict")
    units = fields.Float(
        digits=QUANTITY_DIGITS, required=True, readonly=True, aggregator="sum",
        help="In what the retainer counts; negative: taken from it.")
    amount = fields.Monetary(readonly=True, help="What was paid for it, or what the work is worth.")
    hours = fields.Float(digits=QUANTITY_DIGITS, readonly=True)
    rest = fields.Float(
        digits=QUANTITY_DIGITS, readonly=True, default=0.0, aggregator="sum", help="Of a lot: what is left of it.")
    expires_on = fields.Date("Last Day", readonly=True, help="Of a lot: the last work date that may draw on it.")
    note = fields.Char(readonly=True)

    _never_below_zero = models.Constraint("CHECK (COALESCE(rest, 0) >= 0)", "More would be drawn than is left.")
    _signs = models.Constraint(
        """CHECK (
            (kind IN ('opening', 'added') AND lot_id IS NULL AND units >= 0)
            OR (kind = 'drawn' AND lot_id IS NOT NULL AND entry_id IS NOT NULL)
            OR (kind = 'expired' AND lot_id IS NOT NULL AND units <= 0)
        )""",
        "Lots are added; draws and expiry take from a lot.",
    )
    _charge_once = models.UniqueIndex("(charge_id) WHERE charge_id IS NOT NULL", "A fee fills a retainer once.")
    _expired_once = models.UniqueIndex("(lot_id) WHERE kind = 'expired'", "A lot expires once.")
    _drawn_once = models.UniqueIndex(
        "(entry_id, lot_id) WHERE kind = 'drawn'", "An entry draws on a lot once.")

    def init(self):
        sums_follow_rows(self.env.cr, self._table, _NEW, _OLD, lambda rows: SQL(
            """
                SELECT EXISTS (
                    SELECT FROM (%(rows)s) AS part(retainer_id, lot_id, units)
                  GROUP BY lot_id HAVING SUM(units) <> 0
                ) INTO changed;
                IF NOT changed THEN
                    RETURN NULL;
                END IF;
                UPDATE psa_retainer retainer
                   SET balance = COALESCE(retainer.balance, 0) + delta.units
                  FROM (
                      SELECT retainer_id, SUM(units) AS units
                        FROM (%(rows)s) AS part(retainer_id, lot_id, units)
                    GROUP BY retainer_id
                  ) AS delta
                 WHERE retainer.id = delta.retainer_id;
                UPDATE psa_retainer_move lot
                   SET rest = COALESCE(lot.rest, 0) + delta.units
                  FROM (
                      SELECT lot_id, SUM(units) AS units
                        FROM (%(rows)s) AS part(retainer_id, lot_id, units)
                    GROUP BY lot_id HAVING SUM(units) <> 0
                  ) AS delta
                 WHERE lot.id = delta.lot_id;
            """, rows=rows), declare=SQL("DECLARE changed boolean;"))

    # === CRUD: the cache follows what the database did === #
    @api.model_create_multi
    def create(self, vals_list):
        moves = super().create(vals_list)
        moves._refresh(moves.retainer_id)
        return moves

    def write(self, vals):
        result = super().write(vals)
        self._refresh(self.retainer_id)
        return result

    def unlink(self):
        retainers = self.retainer_id
        result = super().unlink()
        self._refresh(retainers)
        return result

    @api.model
    def _refresh(self, retainers):
        """Make the ORM see what the triggers wrote."""
        if retainers:
            self.flush_model()
            retainers.invalidate_recordset(["balance", "move_ids", "statement_ids"])
            self.invalidate_model(["rest"])
            self.env["psa.retainer.statement"].invalidate_model()

    @api.depends("date", "kind", "units", "unit")
    def _compute_display_name(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        for move in self:
            figure = (
                move.currency_id.format(move.units) if move.unit == "amount"
                else self.env._("%s h", round(move.units, 2)))
            move.display_name = f"{move.date} {labels.get(move.kind, '')} {figure}"

    # === ACTIONS === #
    def action_remove(self):
        """Take back something that was added by hand and is not used."""
        self.retainer_id._psa_require("psa_hub.group_approver")
        for move in self.sudo():
            if move.kind not in LOT_KINDS or move.charge_id:
                raise UserError(self.env._("Only what was added by hand can be taken back."))
            move._log("retainer.remove")
            retainer = move.retainer_id
            move._release_lots()
            move.unlink()
            retainer._redraw()
            retainer._reset_alerts()

    def _release_lots(self):
        """Give back everything that was drawn from these lots or expired of them."""
        self.search([("lot_id", "in", self.ids)]).unlink()

    def _log(self, event):
        self.env["psa.audit"]._log([
            {
                "event": event, "res_model": "psa.retainer", "res_id": move.retainer_id.id,
                "company_id": move.company_id.id, "reason": move.note,
                "after": {"date": str(move.date), "units": move.units, "expires_on": str(move.expires_on or "")},
            }
            for move in self
        ])
