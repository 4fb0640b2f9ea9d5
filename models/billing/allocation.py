from collections import defaultdict
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .bulk import insert_rows
from .entry import QUANTITY_DIGITS
from .pricing import decimal_of
from .statement_triggers import sums_follow_rows

# The sums on the entries follow the allocations inside the database, whoever writes them; the CHECKs of psa_entry
# then refuse what would bill or credit too much. Statement triggers: one update for any number of rows.
_COUNTED = SQL("(kind = 'invoice' AND state IN ('draft', 'posted')) OR (kind = 'credit' AND state = 'posted')")
_NEW = SQL("SELECT entry_id, quantity, amount FROM new_rows WHERE %s", _COUNTED)
_OLD = SQL("SELECT entry_id, -quantity, -amount FROM old_rows WHERE %s", _COUNTED)


def _counts(kind, state):
    """The same rule in Python: whether an allocation of this kind and state counts."""
    return state in (("draft", "posted") if kind == "invoice" else ("posted",))


class PsaAllocation(models.Model):
    """How much of an entry stands on an invoice line; negative on a credit note.

    It counts while it is on a draft or posted invoice, and on a credit note once that is posted.
    """

    _name = "psa.allocation"
    _description = "Billing Allocation"
    _order = "id"

    # === FIELDS === #
    entry_id = fields.Many2one("psa.entry", required=True, index=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one(related="entry_id.company_id", store=True, index=True, precompute=True)
    move_line_id = fields.Many2one(
        "account.move.line", "Invoice Line", required=True, index=True, readonly=True, ondelete="restrict"
    )
    move_id = fields.Many2one("account.move", "Invoice", required=True, index=True, readonly=True, ondelete="restrict")
    origin_line_id = fields.Many2one(
        "account.move.line", "Credits the Line", index="btree_not_null", readonly=True, ondelete="restrict"
    )
    kind = fields.Selection([("invoice", "Invoice"), ("credit", "Credit Note")], required=True, readonly=True)
    state = fields.Selection(
        [("draft", "Draft"), ("posted", "Posted"), ("cancel", "Cancelled")],
        required=True,
        readonly=True,
        default="draft",
    )
    quantity = fields.Float(digits=QUANTITY_DIGITS, readonly=True, help="In the entry's unit; negative: credited.")
    amount = fields.Monetary(readonly=True, help="In the contract's currency; negative: credited.")
    currency_id = fields.Many2one(related="entry_id.currency_id")

    _line_entry_uniq = models.Constraint(
        "UNIQUE (move_line_id, entry_id)", "An entry stands on an invoice line only once."
    )

    def init(self):
        sums_follow_rows(self.env.cr, self._table, _NEW, _OLD, lambda rows: SQL(
            """
                UPDATE psa_entry entry
                   SET allocated_quantity = COALESCE(entry.allocated_quantity, 0) + delta.quantity,
                       allocated_amount = COALESCE(entry.allocated_amount, 0) + delta.amount,
                       billing_state = CASE
                           WHEN entry.allocated_quantity + delta.quantity = 0
                            AND entry.allocated_amount + delta.amount = 0 THEN 'to_bill'
                           WHEN entry.allocated_quantity + delta.quantity = entry.quantity
                            AND entry.allocated_amount + delta.amount = entry.amount THEN 'billed'
                           ELSE 'partly' END
                  FROM (
                      SELECT entry_id, SUM(quantity) AS quantity, SUM(amount) AS amount
                        FROM (%(rows)s) AS part(entry_id, quantity, amount)
                    GROUP BY entry_id
                      HAVING SUM(quantity) <> 0 OR SUM(amount) <> 0
                  ) AS delta
                 WHERE entry.id = delta.entry_id;
            """, rows=rows))

    # === CRUD: the cache follows what the database did === #
    @api.model
    def _insert(self, vals_list):
        """Insert allocations in one statement.

        :param vals_list: dicts of all columns: ``entry_id, move_line_id, move_id, kind, state, quantity, amount``,
            and ``origin_line_id`` for credits
        :return: their entries
        """
        entries = self.env["psa.entry"].browse({values["entry_id"] for values in vals_list})
        entries.fetch(["company_id"])
        companies = {entry.id: entry.company_id.id for entry in entries}
        insert_rows(self, [
            {"origin_line_id": False, **values, "company_id": companies[values["entry_id"]]} for values in vals_list
        ])
        self.env["account.move"].browse({values["move_id"] for values in vals_list}).invalidate_recordset(
            ["psa_allocation_ids"])
        self.env["account.move.line"].browse({values["move_line_id"] for values in vals_list}).invalidate_recordset(
            ["psa_allocation_ids"])
        self._refresh_entries(entries)
        return entries

    @api.model_create_multi
    def create(self, vals_list):
        allocations = super().create(vals_list)
        allocations._refresh_entries(allocations.entry_id)
        return allocations

    def write(self, vals):
        result = super().write(vals)
        self._refresh_entries(self.entry_id)
        return result

    def unlink(self):
        entries = self.entry_id
        result = super().unlink()
        self._refresh_entries(entries)
        return result

    def _refresh_entries(self, entries):
        """Make the ORM see what the triggers wrote."""
        if entries:
            self.flush_model()
            entries.invalidate_recordset(
                ["allocated_quantity", "allocated_amount", "billing_state", "allocation_ids"])

    # === BUSINESS === #
    @api.model
    def _of_moves(self, moves):
        return self.sudo().search([("move_id", "in", moves.ids)])

    def _follow_moves(self):
        """Take the state of the invoices, then let entries, timesheets and proposals follow."""
        for state, allocations in self.grouped(lambda allocation: allocation.move_id.state).items():
            changed = allocations.filtered_domain([("state", "!=", state)])
            changed._check_room(state)
            changed.write({"state": state})
        self.entry_id._after_allocation()

    def _check_room(self, state):
        """Say in plain words what the database would refuse: the work has been billed again in the meantime."""
        added = defaultdict(Decimal)
        for allocation in self:
            counts, counted = _counts(allocation.kind, state), _counts(allocation.kind, allocation.state)
            added[allocation.entry_id] += decimal_of(allocation.amount) * (counts - counted)
        for entry, amount in added.items():
            billed = decimal_of(entry.allocated_amount) + amount
            if not min(0, decimal_of(entry.amount)) <= billed <= max(0, decimal_of(entry.amount)):
                others = (entry.allocation_ids - self).move_id.filtered(lambda move: move.state != "cancel")
                raise UserError(self.env._(
                    "%(entry)s would be billed twice: meanwhile it stands on %(invoices)s.",
                    entry=entry.display_name,
                    invoices=", ".join(move.display_name for move in others),
                ))

    @api.model
    def _latest_invoices(self, entries):
        """Return ``{entry id: account.move id}`` of the invoice on which each entry stands now. One query."""
        self.flush_model()
        entries.flush_model(["allocated_quantity", "allocated_amount"])
        return dict(self.env.execute_query(SQL(
            """
            SELECT DISTINCT ON (allocation.entry_id) allocation.entry_id, allocation.move_id
              FROM psa_allocation allocation
              JOIN psa_entry entry ON entry.id = allocation.entry_id
             WHERE allocation.entry_id = ANY(%s)
               AND allocation.kind = 'invoice' AND allocation.state <> 'cancel'
               AND (entry.allocated_quantity <> 0 OR entry.allocated_amount <> 0)
          ORDER BY allocation.entry_id, allocation.id DESC
            """,
            entries.ids,
        )))


class PsaEntry(models.Model):
    _inherit = "psa.entry"

    def _after_allocation(self):
        """Let the timesheets' own invoice link tell what the ledger says, and settle what was waiting for it."""
        entries = self.sudo()
        invoices = self.env["psa.allocation"].sudo()._latest_invoices(entries)
        entries._link_timesheets(invoices)
        entries._settle_pending()
        entries._mark_proposals()
        self.env["account.move"]._psa_queue_entries(entries)

    def _link_timesheets(self, invoices):
        """Set the invoice of the entries' timesheets, in one statement: it is a bare link that nothing computes from.

        :param invoices: ``{entry id: account.move id}``
        """
        Timesheet = self.env["account.analytic.line"].sudo()
        self.flush_model(["analytic_line_id"])
        Timesheet.flush_model(["timesheet_invoice_id"])
        changed = self.env.execute_query(SQL(
            """
            UPDATE account_analytic_line timesheet
               SET timesheet_invoice_id = invoice.move_id
              FROM unnest(%s::int[], %s::int[]) AS invoice(entry_id, move_id)
              JOIN psa_entry entry ON entry.id = invoice.entry_id
             WHERE timesheet.id = entry.analytic_line_id
               AND timesheet.timesheet_invoice_id IS DISTINCT FROM invoice.move_id
            RETURNING timesheet.id
            """,
            self.ids, [invoices.get(entry_id) for entry_id in self.ids],
        ))
        Timesheet.browse([row[0] for row in changed]).invalidate_recordset(["timesheet_invoice_id"])
        if changed:
            self.env["account.move"].invalidate_model(["timesheet_ids", "timesheet_count", "timesheet_total_duration"])
