from decimal import Decimal

from odoo import api, models
from odoo.tools import SQL

from .cap_book import Cap, CapBook
from .share import shares_on

_COLUMNS = ("partner_id", "order_line_id", "project_id", "task_id")


class PsaCap(models.Model):
    """Which caps cover which work, read and locked for a whole batch."""

    _inherit = "psa.cap"

    @api.model
    def _open_book(self, rows):
        """Lock the caps of the rows' contracts and tell each row which of them cover it.

        Two queries for any number of rows, one where there is no cap. Sets ``row["caps"]`` (list of
        :class:`~.cap_book.Cap`) and ``row["cap_uses"]`` (empty).

        :return: :class:`~.cap_book.CapBook`
        """
        orders = {row["order_id"] for row in rows} | {
            row["entry"].order_id.id for row in rows if row["entry"]}
        caps = self._lock_of_orders(orders)
        entry_ids = [row["entry"].id for row in rows if row["entry"]]
        uses, leftovers = self._uses_of(caps, entry_ids)
        book = CapBook(caps, uses, leftovers)
        by_order = {}
        for cap in caps:
            by_order.setdefault(cap.order_id, []).append(cap)
        tasks = self._tasks_of([
            row for row in rows
            if any(cap.scope["task_id"] for cap in by_order.get(row["order_id"], ()))
        ])
        for row in rows:
            row["cap_book"], row["cap_uses"] = book, {}
            row["caps"] = [
                cap for cap in by_order.get(row["order_id"], ()) if self._covers(cap, row, book, tasks)]
        return book

    @api.model
    def _covers(self, cap, row, book, tasks):
        """Tell whether ``cap`` counts the work of ``row``."""
        scope = cap.scope
        if cap.closed:
            # An order of the customer that another one followed keeps what was billed on it.
            return bool(row["entry"]) and self.env["psa.entry"]._is_billed(row) and (
                cap.id, row["entry"].id) in book.uses
        if cap.kind == "purchase_order" and row["entry"] and self.env["psa.entry"]._is_billed(row):
            return (cap.id, row["entry"].id) in book.uses or not any(
                book.caps[cap_id].kind == "purchase_order"
                for cap_id, entry_id in book.uses if entry_id == row["entry"].id)
        if cap.kind == "customer":
            return cap.weight_on(row["work_date"]) > 0
        if cap.kind == "line":
            return row["order_line_id"] == scope["order_line_id"]
        if cap.kind == "phase":
            if scope["task_id"]:
                return scope["task_id"] in tasks.get((row["kind"], row["source_id"]), ())
            return row["project_id"] == scope["project_id"]
        return True

    @api.model
    def _lock_of_orders(self, order_ids):
        """Return :class:`~.cap_book.Cap` of all caps of these contracts, locked in id order."""
        self.flush_model()
        rows = self.env.execute_query_dict(SQL(
            """
            SELECT id, order_id, kind, enforcement = 'hard' AS hard, COALESCE(closed, FALSE) AS closed,
                   COALESCE(amount_limit, 0)::text AS amount_limit, COALESCE(quantity_limit, 0)::text AS quantity_limit,
                   COALESCE(reserved_amount, 0)::text AS amount, COALESCE(reserved_quantity, 0)::text AS quantity,
                   partner_id, order_line_id, project_id, task_id
              FROM psa_cap
             WHERE order_id = ANY(%s)
          ORDER BY id
               FOR NO KEY UPDATE
            """,
            list(order_ids),
        ))
        weights = self._weights([row for row in rows if row["kind"] == "customer"])
        return [
            Cap(
                id=row["id"], order_id=row["order_id"], kind=row["kind"], hard=row["hard"], closed=row["closed"],
                limits=(Decimal(row["amount_limit"]) or None, Decimal(row["quantity_limit"]) or None),
                reserved=[Decimal(row["amount"]), Decimal(row["quantity"])],
                scope={name: row[name] for name in _COLUMNS},
                **({"weight_on": weights[row["id"]]} if row["id"] in weights else {}),
            )
            for row in rows
        ]

    @api.model
    def _weights(self, rows):
        """Return ``{cap id: function of a work date: the part of the work that the cap's customer pays}``.

        Read from the shares in force on the day; where there are none, the contract's own customer pays all.

        :param rows: dicts with ``id``, ``order_id`` and ``partner_id`` of caps of a customer's share
        """
        if not rows:
            return {}
        orders = self.env["sale.order"].browse({row["order_id"] for row in rows})
        shares = self.env["psa.billing.share"]._by_order(orders)
        payers = self.env["res.partner"].browse({
            *(share.partner_id for of_order in shares.values() for share in of_order),
            *(row["partner_id"] for row in rows),
        })
        commercial = {partner.id: partner.commercial_partner_id.id for partner in payers}

        def weight_of(row):
            own = self.env["sale.order"].browse(row["order_id"]).partner_id.commercial_partner_id.id
            payer = commercial[row["partner_id"]]

            def weight_on(day):
                in_force = shares_on(shares.get(row["order_id"], ()), day)
                if not in_force:
                    return Decimal(payer == own)
                return sum(share.percent for share in in_force if commercial[share.partner_id] == payer) / Decimal(100)
            return weight_on

        return {row["id"]: weight_of(row) for row in rows}

    @api.model
    def _uses_of(self, caps, entry_ids):
        """Return what entries hold of ``caps``: ``({(cap id, entry id): (amount, hours)}, leftover entry ids)``.

        Leftovers are corrections that are no longer billable and still hold something of a cap.
        """
        if not caps:
            return {}, ()
        self.env["psa.cap.use"].flush_model()
        self.env["psa.entry"].flush_model(["state"])
        uses, leftovers = {}, set()
        for cap_id, entry_id, amount, quantity, leftover in self.env.execute_query(SQL(
            """
            SELECT used.cap_id, used.entry_id, used.amount::text, used.quantity::text, FALSE
              FROM psa_cap_use used
             WHERE used.entry_id = ANY(%(entries)s)
         UNION ALL
            SELECT used.cap_id, used.entry_id, used.amount::text, used.quantity::text, TRUE
              FROM psa_cap_use used
              JOIN psa_entry entry ON entry.id = used.entry_id
             WHERE used.cap_id = ANY(%(caps)s) AND (used.amount < 0 OR used.quantity < 0)
               AND entry.state IN ('withdrawn', 'excluded') AND NOT entry.id = ANY(%(entries)s)
            """,
            entries=entry_ids, caps=[cap.id for cap in caps],
        )):
            uses[cap_id, entry_id] = Decimal(amount), Decimal(quantity)
            if leftover:
                leftovers.add(entry_id)
        return uses, leftovers

    @api.model
    def _tasks_of(self, rows):
        """Return ``{(kind, source id): ids of the tasks it is done on}``, with all tasks above them."""
        tasks_by_row = {}
        for row in rows:
            source = row["source"]
            if row["kind"] == "time":
                tasks_by_row[row["kind"], row["source_id"]] = source.sudo().task_id
            elif row["kind"] == "milestone":
                tasks_by_row[row["kind"], row["source_id"]] = source.sudo().task_ids
        result = {}
        for key, tasks in tasks_by_row.items():
            above, found = tasks, set()
            while above:
                found |= set(above.ids)
                above = above.parent_id
            result[key] = found
        return result
