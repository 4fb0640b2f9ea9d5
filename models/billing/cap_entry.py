from odoo import api, fields, models
from odoo.fields import Domain

from .cap import CAP_REASONS
from .cap_book import ZERO
from .pricing import decimal_of, plain


class PsaEntry(models.Model):
    """Entries under caps: what fits is billed, what does not waits with its money.

    Caps are reserved when work is approved, in order of the work date, under a lock on their rows; what an entry gives
    back goes to the work that waits, in the same transaction.
    """

    _inherit = "psa.entry"

    over_cap_id = fields.Many2one(
        "psa.cap", "Which Cap", readonly=True, index="btree_not_null", ondelete="set null",
        help="The cap that lets no more of it through.",
    )
    over_soft_cap = fields.Boolean("Over a Soft Cap", readonly=True, help="Billed all the same: the cap only warns.")
    cap_use_ids = fields.One2many("psa.cap.use", "entry_id", "Caps", readonly=True)

    # === DECIDING === #
    def _decide(self, rows):
        """Lock the caps first: who comes too late looks again instead of deciding on what has changed."""
        book = self.env["psa.cap"]._open_book(rows)
        book.give_back({row["entry"].id for row in rows if row["entry"] and not self._is_billed(row)})
        for row in rows:
            row.update(over_cap_id=None, over_soft_cap=False)
        result = super()._decide(rows)
        for row in rows:
            if row["over_cap_id"] and book.caps[row["over_cap_id"]].kind == "purchase_order":
                if row["reason"] == "cap_reached":
                    row["reason"] = "po_used_up"
                if row["held_for"] == "cap_reached":
                    row["held_for"] = "po_used_up"
        return result

    def _price(self, rows):
        """What stands on an invoice keeps its price, whatever a rate says by now."""
        frozen = [row for row in rows if row.get("frozen")]
        result = super()._price([row for row in rows if not row.get("frozen")])
        for row in frozen:
            entry = row["entry"]
            row["gross"] = row["amount"] = decimal_of(entry.gross_amount)
            row["gross_quantity"] = row["quantity"] = decimal_of(entry.gross_quantity)
            row["rate"], row["rate_id"] = decimal_of(entry.rate), entry.rate_id.id
            row["trace"] = {key: value for key, value in (entry.trace or {}).items() if key != "steps"}
            row["steps"] = [
                step for step in (entry.trace or {}).get("steps", ()) if step["step"] in ("rounding", "days")]
        return result

    def _deduct_caps(self, rows):
        """Let through what fits under every cap, in order of the work date.

        Billed work whose source changed comes last: its growth is for a person to accept.
        """
        result = super()._deduct_caps(rows)
        covered = [row for row in rows if row["caps"] and row["amount"]]
        for row in sorted(covered, key=lambda row: (
            self._is_billed(row) and not row.get("frozen"), row["work_date"], row["kind"], row["source_id"]
        )):
            if self._is_billed(row):
                for cap in row["caps"]:
                    cap.give_back(row["cap_book"].own(cap.id, row["entry"].id))
            self._fit_under_caps(row)
        return result

    def _fit_under_caps(self, row):
        """Take off what is over a hard cap and reserve the rest."""
        currency = self._currency_of(row)
        timed = row["kind"] == "time"
        amount, quantity = row["amount"], row["quantity"]
        for cap in row["caps"]:
            fits = cap.fit(amount, quantity, quantity if timed else ZERO, currency, row["work_date"])
            if fits != (amount, quantity):
                amount, quantity = fits
                row["over_cap_id"] = cap.id
        if (amount, quantity) != (row["amount"], row["quantity"]):
            record = self.env["psa.cap"].browse(row["over_cap_id"])
            cap = row["cap_book"].caps[record.id]
            self._take_off(
                row, "over_cap", row["amount"] - amount, row["quantity"] - quantity, cap=record.display_name,
                limit=plain(cap.limits[0]) if cap.limits[0] is not None else None,
                limit_hours=plain(cap.limits[1]) if cap.limits[1] is not None else None,
                used=plain(cap.used[0]), used_hours=plain(cap.used[1]),
            )
        if not amount:
            return
        for cap in row["caps"]:
            use = cap.share_of(amount, quantity if timed else ZERO, currency, row["work_date"])
            row["cap_uses"][cap.id] = use
            cap.take(use)
            if not cap.hard and amount > 0 and cap.is_passed():
                row["over_soft_cap"] = True
                row["steps"].append({
                    "step": "soft_cap", "cap": self.env["psa.cap"].browse(cap.id).display_name,
                    "limit": plain(cap.limits[0]) if cap.limits[0] is not None else None,
                    "limit_hours": plain(cap.limits[1]) if cap.limits[1] is not None else None,
                    "used": plain(cap.used[0]), "used_hours": plain(cap.used[1]),
                })

    # === STORING === #
    def _values(self, row, exceptions, now):
        return {
            **super()._values(row, exceptions, now),
            "over_cap_id": row["over_cap_id"] or False,
            "over_soft_cap": row["over_soft_cap"],
        }

    def _store(self, rows, source_field):
        entries = super()._store(rows, source_field)
        if rows:
            self._follow_caps(rows[0]["cap_book"])
        return entries

    def _after_store(self, rows):
        result = super()._after_store(rows)
        if rows and rows[0]["cap_book"].caps:
            self.env["psa.cap.use"]._replace(rows[0]["cap_book"], rows)
        return result

    def _follow_caps(self, book):
        """Give freed room to what waits, squeeze what stands in room that is gone, and warn near the limits."""
        if not book.caps:
            return
        squeezed = self.browse()
        if not self.env.context.get("psa_caps_follow"):
            following = self.with_context(psa_caps_follow=True)
            if book.overdrawn:
                self.env.flush_all()
                squeezed = self.search([
                    ("order_id", "in", [book.caps[cap_id].order_id for cap_id in book.overdrawn]),
                    ("billing_state", "=", "to_bill"), ("state", "=", "approved"),
                ])
                following._decide_again(squeezed)
            if book.freed:
                following._release_waiting([book.caps[cap_id].order_id for cap_id in book.freed])
        caps = self.env["psa.cap"].sudo().browse(book.caps)
        if not squeezed and (book.overdrawn or book.leftovers):
            caps._follow_overdrawn(book.overdrawn)
        caps._warn_near_limit()

    @api.model
    def _waiting_domain(self):
        """Entries of which something waits for a cap."""
        return Domain("pending_change", "=", False) & (
            (Domain("state", "=", "held") & Domain("reason", "in", CAP_REASONS))
            | (Domain("state", "=", "approved") & Domain("over_cap_amount", "!=", 0))
        )

    @api.model
    def _capped_domain(self, order_ids):
        """Entries of these contracts about which a changed cap decides anew."""
        return Domain("order_id", "in", order_ids) & (
            self._waiting_domain()
            | (Domain("state", "=", "approved") & Domain("billing_state", "=", "to_bill"))
        )

    @api.model
    def _release_waiting(self, order_ids):
        """Decide anew about what waits for a cap of these contracts."""
        self.env.flush_all()
        waiting = self.search(Domain("order_id", "in", list(order_ids)) & self._waiting_domain())
        if waiting:
            self._decide_again(waiting)

    # === WHY IT IS HELD === #
    def _held_cap_reached(self, row):
        cap = self.env["psa.cap"].browse(row["over_cap_id"])
        return f"cap:{cap.id}", cap._held_sentence(), cap

    _held_po_used_up = _held_cap_reached

    def _cap_exception(self):
        """Raise the exception of what is over a cap of these billed entries, and let them hold it."""
        over = self.filtered(lambda entry: entry.over_cap_amount and entry.over_cap_id)
        specs = {}
        for entry in over:
            cap = entry.over_cap_id
            specs[entry] = {
                "cause": "purchase_order_expired" if cap.kind == "purchase_order" else "cap_reached",
                "subject_key": f"cap:{cap.id}",
                "text": cap._held_sentence(),
                "company_id": entry.company_id.id,
                "res_model": cap._name,
                "res_id": cap.id,
                "order_id": entry.order_id.id,
                "partner_id": entry.partner_id.id,
                "project_id": entry.project_id.id,
            }
        exceptions = self.env["psa.exception"]._raise(list(specs.values()))
        for entry, spec in specs.items():
            entry.write({
                "exception_id": exceptions[spec["cause"], spec["subject_key"]].id,
                "risk_amount": self._to_company_currency(
                    entry.over_cap_amount, entry.currency_id.id, entry.company_id.id),
            })
        self.env["psa.exception"].union(*exceptions.values())._refresh_amounts()

    # === CHANGES AFTER BILLING === #
    def _change_of(self, row):
        """More work than before is a change, even where the cap lets no more of it through."""
        change = super()._change_of(row)
        if not change and row["over_cap"] != decimal_of(self.over_cap_amount):
            return "changed"
        return change

    def _may_take_over(self, row):
        """What is billed stays as it is, and only what waits for the cap changes: nobody has to accept that.

        The same holds when a raised cap lets more of the same work through.
        """
        if super()._may_take_over(row):
            return True
        if not row["approved"] or row["deleted"] or row["order_id"] != self.order_id.id:
            return False
        amount, over = decimal_of(self.amount), decimal_of(self.over_cap_amount)
        return (
            (row["amount"] == amount and row["quantity"] == decimal_of(self.quantity))
            or (row["amount"] + row["over_cap"] == amount + over
                and row["gross_quantity"] == decimal_of(self.gross_quantity))
        )

    def _pending_exception(self, row, change):
        spec = super()._pending_exception(row, change)
        if change == "changed":
            spec["amount"] += float(row["over_cap"] - decimal_of(self.over_cap_amount))
        return spec

    def _take_over(self, row):
        result = super()._take_over(row)
        self._cap_exception()
        return result

    def _clear_pending(self, row=None):
        pending = self.filtered("pending_change")
        result = super()._clear_pending(row)
        pending._cap_exception()
        return result

    def _settle_pending(self):
        """What a settled change gives back to a cap goes to what waits for it."""
        pending = self.sudo().filtered("pending_change")
        result = super()._settle_pending()
        self._release_after(pending)
        return result

    def action_accept_change(self):
        pending = self.sudo().filtered("pending_change")
        action = super().action_accept_change()
        self._release_after(pending)
        return action

    def _release_after(self, pending):
        settled = pending.filtered(lambda entry: not entry.pending_change)
        if settled.cap_use_ids or settled.over_cap_id:
            self.env["psa.entry"].sudo()._release_waiting(settled.order_id.ids)
