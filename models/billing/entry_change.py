from collections import defaultdict
from decimal import Decimal

from odoo import models
from odoo.exceptions import AccessError, UserError

from .entry_kinds import HUSH, UNPRICED
from .pricing import decimal_of, plain
from .proposal import OPEN_STATES

_CAUSES = {
    "changed": "changed_after_billing",
    "rejected": "rejected_after_billing",
    "deleted": "deleted_after_billing",
}
# What a spec keeps as JSON; the source record itself is on the entry.
_IDS = ("order_id", "order_line_id", "project_id", "employee_id", "role_id", "message_id")


class PsaEntry(models.Model):
    """Changes at the source that come after billing: the billed part stays, the difference is an exception."""

    _inherit = "psa.entry"

    def _billed_here(self):
        """Tell whether the hub has put this on an invoice: then the source's "billed" is only our own echo."""
        self.ensure_one()
        return bool(self.status_sequence) or self.billing_state != "to_bill"

    # === KEEPING THE DIFFERENCE === #
    def _keep_pending(self, rows):
        """Compare decided rows with what is billed; take over what fits, keep the rest as pending with an exception.

        A change fits when something of the entry is still unbilled and the billed part stays within the new approved
        amount: nobody has seen a closed figure yet. Everything else is for a person.

        :param rows: decided rows of :meth:`_sync` whose entry stands on an invoice
        :return: exceptions that may have ended
        """
        released = self.env["psa.exception"]
        specs, kept = [], []
        for row in rows:
            entry = row["entry"]
            change = entry._change_of(row)
            if not change:
                released |= entry.exception_id
                entry._clear_pending(row)
            elif entry._fits(row) and entry._may_take_over(row):
                released |= entry.exception_id
                entry._take_over(row)
            else:
                specs.append(entry._pending_exception(row, change))
                kept.append((row, change))
        exceptions = self.env["psa.exception"]._raise(specs)
        for (row, change), spec in zip(kept, specs, strict=True):
            entry = row["entry"]
            exception = exceptions[spec["cause"], spec["subject_key"]]
            released |= entry.exception_id - exception
            quantity, amount = _effective(row)
            if row["reason"] in UNPRICED:
                quantity = row["quantity"]
            entry.write({
                "pending_change": change,
                "pending_quantity": float(quantity),
                "pending_amount": float(amount),
                "pending_spec": _spec_of(row),
                "exception_id": exception.id,
                "risk_amount": abs(self._to_company_currency(
                    spec["amount"], row["currency_id"], row["company_id"])),
            })
        self.env["psa.exception"].union(*exceptions.values())._refresh_amounts()
        return released

    def _change_of(self, row):
        """Return what happened to the billed entry (``changed``, ``rejected``, ``deleted``) or None."""
        if row["deleted"]:
            return "deleted"
        if not row["approved"]:
            return "rejected"
        quantity, amount = _effective(row)
        same = (
            row["order_id"] == self.order_id.id
            and quantity == decimal_of(self.quantity)
            and amount == decimal_of(self.amount)
            and row["reason"] not in UNPRICED
        )
        return None if same else "changed"

    def _may_take_over(self, row):
        """Tell whether a change that fits needs no person: something of the entry is still unbilled."""
        return self.billing_state == "partly"

    def _fits(self, row):
        """Tell whether what is billed may stay when the entry becomes ``row``."""
        if not self.allocated_amount and not self.allocated_quantity:
            return True
        quantity, amount = _effective(row)
        return (
            row["order_id"] == self.order_id.id
            and row["state"] == "approved"
            and _within(decimal_of(self.allocated_quantity), quantity)
            and _within(decimal_of(self.allocated_amount), amount)
        )

    def _pending_exception(self, row, change):
        quantity, amount = _effective(row)
        difference = amount - decimal_of(self.amount)
        if row["reason"] in UNPRICED:
            text = self.env._(
                "%(entry)s of %(customer)s changed after %(amount)s of it was billed, and its new price is not known: "
                "%(reason)s",
                entry=self.display_name, customer=self.partner_id.name,
                amount=self.currency_id.format(self.allocated_amount),
                reason=dict(self._fields["reason"]._description_selection(self.env))[row["reason"]],
            )
        elif change == "deleted":
            text = self.env._(
                "%(entry)s of %(customer)s was deleted at the source after %(amount)s of it was billed",
                entry=self.display_name, customer=self.partner_id.name,
                amount=self.currency_id.format(self.allocated_amount),
            )
        elif change == "rejected":
            text = self.env._(
                "%(entry)s of %(customer)s lost its approval after %(amount)s of it was billed",
                entry=self.display_name, customer=self.partner_id.name,
                amount=self.currency_id.format(self.allocated_amount),
            )
        else:
            text = self.env._(
                "%(entry)s of %(customer)s changed from %(old_quantity)s (%(old_amount)s) to %(new_quantity)s "
                "(%(new_amount)s) after it was billed",
                entry=self.display_name, customer=self.partner_id.name,
                old_quantity=plain(self.quantity), old_amount=self.currency_id.format(self.amount),
                new_quantity=plain(quantity), new_amount=self.currency_id.format(float(amount)),
            )
        return {
            "cause": _CAUSES[change],
            "subject_key": f"entry:{self.id}",
            "text": text,
            "company_id": self.company_id.id,
            "amount": float(difference),
            "currency_id": self.currency_id.id,
            "res_model": self._name,
            "res_id": self.id,
            "order_id": self.order_id.id,
            "partner_id": self.partner_id.id,
            "project_id": self.project_id.id,
        }

    # === ENDING IT === #
    def _clear_pending(self, row=None):
        """Forget a pending change: the source says again what is billed, or a person let it be."""
        values = {
            "pending_change": False, "pending_quantity": 0.0, "pending_amount": 0.0, "pending_spec": False,
            "exception_id": False, "risk_amount": 0.0,
        }
        if row and row["message_id"]:
            values["message_id"] = row["message_id"]
        for entry in self.filtered("pending_change"):
            entry.write(values)

    def _drop_pending(self):
        """A person lets what is billed stand, whatever the source says now."""
        self._clear_pending()

    def _take_over(self, row):
        """Become ``row``: entry and timesheet, in step."""
        self.write(self._values(row, {}, self.env.cr.now().replace(microsecond=0)))
        self._after_store([row])
        self._follow_source_record(row)
        self._mark_proposals()

    def _settle_pending(self):
        """Take over pending changes that the ledger allows now, and close their exceptions.

        A smaller quantity, a withdrawal or a deletion settles once credits have brought the billed part down to it;
        a larger one once nothing is billed any more (or a person accepts it: :meth:`action_accept_change`).
        """
        entries = self.sudo().with_context(**HUSH).search([("id", "in", self.ids), ("pending_change", "!=", False)])
        released = self.env["psa.exception"]
        for kind, of_kind in entries.grouped("kind").items():
            for row in of_kind._pending_rows(kind):
                entry = row["entry"]
                _quantity, amount = _effective(row)
                smaller = abs(amount) <= abs(decimal_of(entry.amount))
                if entry._fits(row) and (smaller or entry.billing_state == "to_bill"):
                    released |= entry.exception_id
                    entry._take_over(row)
        released._close_if_released()

    def _pending_rows(self, kind):
        """Return decided rows of what the source said last about these entries of one kind."""
        rows = self._rows(kind, [
            {**entry.pending_spec, "source": entry._source_record()} for entry in self
        ])
        for row, entry in zip(rows, self, strict=True):
            row["entry"] = entry
        self._decide(rows)
        return rows

    def action_accept_change(self):
        """Accept what the source says: more to bill is billed next time, less makes a draft credit note.

        :return: action that shows the credit notes, or None
        :raise UserError: when there is nothing to accept, or the new amount is not known (no rate)
        """
        if not self.env.user.has_group("psa_hub.group_reviewer"):
            raise AccessError(self.env._("Only reviewers and approvers may accept changes of billed work."))
        self.check_access("read")
        entries = self.sudo().with_context(**HUSH)
        if not entries or any(not entry.pending_change for entry in entries):
            raise UserError(self.env._("There is no change to accept."))
        released, to_credit = self.env["psa.exception"], defaultdict(lambda: (Decimal(0), Decimal(0)))
        for kind, of_kind in entries.grouped("kind").items():
            for row in of_kind._pending_rows(kind):
                entry = row["entry"]
                if row["reason"] in UNPRICED:
                    raise UserError(self.env._(
                        "%s has no price yet: solve that first.", entry.display_name))
                if entry._fits(row):
                    released |= entry.exception_id
                    entry._take_over(row)
                    continue
                quantity, amount = _effective(row)
                if row["order_id"] != entry.order_id.id:
                    quantity = amount = Decimal(0)
                to_credit[entry] = (
                    decimal_of(entry.allocated_quantity) - quantity, decimal_of(entry.allocated_amount) - amount)
        released._close_if_released()
        return self.env["psa.allocation"]._credit_entries(to_credit) if to_credit else None

    # === WHAT FOLLOWS THE ENTRY === #
    def _follow_source_record(self, row):
        """Bring the timesheet of an entry to what was taken over; Odoo's lock on invoiced ones is stepped over."""
        timesheet = self.analytic_line_id
        if not timesheet:
            return
        invoice = timesheet.timesheet_invoice_id
        timesheet.timesheet_invoice_id = False
        if row["deleted"]:
            timesheet.unlink()
            return
        hours = float(row["source_quantity"])
        if timesheet.unit_amount != hours or timesheet.date != row["work_date"]:
            timesheet.write({"unit_amount": hours, "date": row["work_date"]})
        timesheet.timesheet_invoice_id = invoice

    def _follow_delivered(self):
        """Keep the delivered quantity of expense lines at what is approved: Odoo does not count it itself."""
        self.order_line_id.filtered(lambda line: line.psa_billing_method == "expense")._psa_follow_expenses()

    def _mark_proposals(self):
        """Tell open proposals that hold these entries that they are out of date."""
        if not self:
            return
        lines = self.env["psa.proposal.line"].sudo().search([
            ("entry_id", "in", self.ids), ("proposal_id.state", "in", OPEN_STATES),
        ])
        lines.proposal_id.filtered(lambda proposal: not proposal.needs_refresh).needs_refresh = True


# === PLAIN HELPERS === #
def _effective(row):
    """Return ``(quantity, amount)`` Decimals that may be billed of ``row``: nothing unless it is approved."""
    return (row["quantity"], row["amount"]) if row["state"] == "approved" else (Decimal(0), Decimal(0))


def _within(part, whole):
    """Tell whether ``part`` lies between zero and ``whole``, whatever the sign."""
    return min(whole, 0) <= part <= max(whole, 0)


def _spec_of(row):
    """Return the JSON form of the spec behind ``row``."""
    return {
        **{name: row[name] for name in _IDS},
        "currency_id": row["source_currency_id"],
        "work_date": row["work_date"].isoformat(),
        "quantity": plain(row["source_quantity"]),
        "fixed_amount": None if row["fixed"] is None else plain(row["fixed"]),
        "source_amount": row["source_amount"],
        "description": row["description"],
        "approved": row["approved"],
        "billable": row["billable"],
        "deleted": row["deleted"],
        "source_blocked": row["blocked"],
    }
