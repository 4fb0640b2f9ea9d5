from odoo import api, fields, models
from odoo.tools import SQL

from .bulk import insert_rows
from .cap_book import NOTHING
from .entry import QUANTITY_DIGITS
from .pricing import plain
from .statement_triggers import sums_follow_rows

# As with allocations: the sums on the caps follow their uses inside the database, whoever writes them, and the CHECK on
# psa_cap refuses what would pass a hard cap.
_NEW = SQL("SELECT cap_id, quantity, amount FROM new_rows")
_OLD = SQL("SELECT cap_id, -quantity, -amount FROM old_rows")


class PsaCapUse(models.Model):
    """What an approved entry uses of a cap: reserved from its approval on, given back when it is not billable."""

    _name = "psa.cap.use"
    _description = "Use of a Cap"
    _order = "cap_id, work_date, id"

    # === FIELDS === #
    cap_id = fields.Many2one("psa.cap", required=True, readonly=True, ondelete="cascade")
    entry_id = fields.Many2one("psa.entry", required=True, index=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="cap_id.company_id", store=True, index=True, precompute=True)
    amount = fields.Monetary(readonly=True)
    quantity = fields.Float("Hours", digits=QUANTITY_DIGITS, readonly=True)
    currency_id = fields.Many2one(related="cap_id.currency_id")
    work_date = fields.Date("Date", related="entry_id.work_date", store=True, precompute=True)
    kind = fields.Selection(related="entry_id.kind")
    employee_id = fields.Many2one(related="entry_id.employee_id")
    description = fields.Char(related="entry_id.description")
    billing_state = fields.Selection(related="entry_id.billing_state")

    _cap_entry_uniq = models.Constraint("UNIQUE (cap_id, entry_id)", "An entry uses a cap only once.")
    # Corrections: their use may outlive them, see CapBook.settle.
    _correction_idx = models.Index("(cap_id) WHERE amount < 0 OR quantity < 0")

    def init(self):
        sums_follow_rows(self.env.cr, self._table, _NEW, _OLD, lambda rows: SQL(
            """
                UPDATE psa_cap cap
                   SET reserved_quantity = COALESCE(cap.reserved_quantity, 0) + delta.quantity,
                       reserved_amount = COALESCE(cap.reserved_amount, 0) + delta.amount
                  FROM (
                      SELECT cap_id, SUM(quantity) AS quantity, SUM(amount) AS amount
                        FROM (%(rows)s) AS part(cap_id, quantity, amount)
                    GROUP BY cap_id
                      HAVING SUM(quantity) <> 0 OR SUM(amount) <> 0
                  ) AS delta
                 WHERE cap.id = delta.cap_id;
            """, rows=rows))

    # === BUSINESS === #
    @api.model
    def _replace(self, book, rows):
        """Let entries hold what their decided rows say, and nothing else."""
        changes = book.settle({row["entry"].id: row["cap_uses"] for row in rows})
        self._write_uses(changes)

    @api.model
    def _write_uses(self, changes):
        """Write ``{(cap id, entry id): (amount, hours)}``.

        The sums change in one statement, so that what one entry gives back and another one takes is judged together.
        """
        if not changes:
            return
        self.flush_model()
        self.env["psa.cap"].flush_model()
        keys = list(changes)
        present = set(self.env.execute_query(SQL(
            """
            SELECT used.cap_id, used.entry_id FROM psa_cap_use used
              JOIN unnest(%s::int[], %s::int[]) AS wanted(cap_id, entry_id)
                ON used.cap_id = wanted.cap_id AND used.entry_id = wanted.entry_id
            """,
            [key[0] for key in keys], [key[1] for key in keys],
        )))
        missing = [key for key in keys if key not in present and changes[key] != NOTHING]
        if missing:
            caps = self.env["psa.cap"].browse({cap_id for cap_id, _entry_id in missing})
            entries = self.env["psa.entry"].browse({entry_id for _cap_id, entry_id in missing})
            companies = {cap.id: cap.company_id.id for cap in caps}
            dates = {entry.id: entry.work_date for entry in entries}
            insert_rows(self, [
                {
                    "cap_id": cap_id, "entry_id": entry_id, "company_id": companies[cap_id],
                    "work_date": dates[entry_id], "amount": 0, "quantity": 0,
                }
                for cap_id, entry_id in missing
            ])
        self.env.execute_query(SQL(
            """
            UPDATE psa_cap_use used
               SET amount = wanted.amount, quantity = wanted.quantity, write_date = now() AT TIME ZONE 'UTC'
              FROM unnest(%s::int[], %s::int[], %s::numeric[], %s::numeric[])
                   AS wanted(cap_id, entry_id, amount, quantity)
             WHERE used.cap_id = wanted.cap_id AND used.entry_id = wanted.entry_id
            RETURNING used.id
            """,
            [key[0] for key in keys], [key[1] for key in keys],
            [plain(changes[key][0]) for key in keys], [plain(changes[key][1]) for key in keys],
        ))
        gone = [key for key in keys if changes[key] == NOTHING]
        if gone:
            self.env.execute_query(SQL(
                """
                DELETE FROM psa_cap_use used USING unnest(%s::int[], %s::int[]) AS gone(cap_id, entry_id)
                 WHERE used.cap_id = gone.cap_id AND used.entry_id = gone.entry_id
                RETURNING used.id
                """,
                [key[0] for key in gone], [key[1] for key in gone],
            ))
        self._refresh()

    @api.model
    def _drop_unbilled(self, caps):
        """Give back what work on no invoice holds of ``caps``; what is billed, and corrections, stay reserved."""
        self.env.flush_all()
        self.env.execute_query(SQL(
            """
            DELETE FROM psa_cap_use used USING psa_entry entry
             WHERE used.entry_id = entry.id AND entry.billing_state = 'to_bill' AND used.cap_id = ANY(%s)
               AND used.amount >= 0 AND used.quantity >= 0
            RETURNING used.id
            """,
            caps.ids,
        ))
        self._refresh()

    @api.model
    def _refresh(self):
        """Make the ORM see what the statements and triggers wrote."""
        self.invalidate_model()
        self.env["psa.cap"].invalidate_model()
