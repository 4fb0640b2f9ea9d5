from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from .cap import CAP_REASONS
from .pricing import decimal_of, quantity_of, round_amount


class PsaWriteDown(models.Model):
    """Asking for, approving, refusing and reversing write-downs."""

    _inherit = "psa.write.down"

    # === ACTIONS === #
    def action_submit(self):
        """Ask for these: within the company's limit they are applied at once, above it another person decides."""
        self._require("psa_hub.group_reviewer", ("draft",))
        for write_down in self.sudo():
            write_down._check_entries()
            write_down._make_lines()
            needs_approval = write_down._limited_amount() > write_down.company_id.psa_write_down_limit
            write_down.write({"requested_by": self.env.uid, "needs_approval": needs_approval})
            if needs_approval:
                write_down.state = "to_approve"
                write_down._log("requested")
            else:
                write_down._approve(self.env.user)
        return self._outcome()

    def action_approve(self):
        """Approve these; never by who asked for them."""
        self._require("psa_hub.group_approver", ("to_approve",))
        for write_down in self.sudo():
            write_down._check_not_requester()
            write_down._check_entries()
            write_down._approve(self.env.user)

    def action_refuse(self):
        """Refuse these: nothing is taken off."""
        self._require("psa_hub.group_approver", ("to_approve",))
        for write_down in self.sudo():
            write_down._check_not_requester()
            write_down.write({
                "state": "refused", "decided_by": self.env.uid, "decided_at": fields.Datetime.now()})
            write_down._log("refused")

    def action_reverse(self):
        """Take these back, while nothing of their entries is billed: the work is billed in full again."""
        self._require("psa_hub.group_reviewer", ("approved",))
        for write_down in self.sudo():
            entries = write_down.line_ids.entry_id
            entries._lock_entries()
            write_down._refuse_billed(entries)
            write_down.state = "reversed"
            write_down._log("reversed")
            self.env.flush_all()
            self.env["psa.entry"].sudo()._reprice(entries)

    # === BUSINESS === #
    def _require(self, group, states):
        self.check_access("write")
        if not self.env.user.has_group(group):
            raise AccessError(self.env._("You may not do this with write-downs."))
        labels = dict(self._fields["state"]._description_selection(self.env))
        for write_down in self:
            if write_down.state not in states:
                raise UserError(self.env._(
                    "%(write_down)s is %(state)s.",
                    write_down=write_down.display_name, state=labels[write_down.state]))

    def _check_not_requester(self):
        if self.env.user == self.requested_by:
            raise AccessError(self.env._("Another person has to decide about a write-down that you asked for."))

    def _check_entries(self):
        """Refuse, in plain words, what cannot be written down."""
        self.ensure_one()
        entries = self.entry_ids
        if not entries:
            raise UserError(self.env._("Choose the entries to write down."))
        if len(entries.company_id) > 1 or len(entries.currency_id) > 1:
            raise UserError(self.env._("Write down entries of one company and currency at a time."))
        entries._lock_entries()
        self._refuse_billed(entries)
        for entry in entries:
            if entry.amount < 0:
                raise UserError(self.env._(
                    "%s takes money off already: to write it down would bill more.", entry.display_name))
            if not (entry.state == "approved" or entry.reason in CAP_REASONS) or not entry._worth_left():
                raise UserError(self.env._(
                    "%s is not to be billed now: solve or waive what holds it.", entry.display_name))

    def _refuse_billed(self, entries):
        if billed := entries.filtered(lambda entry: entry.billing_state != "to_bill")[:1]:
            raise UserError(self.env._(
                "%(entry)s stands on %(invoice)s: credit it there, or delete it from the draft, first.",
                entry=billed.display_name,
                invoice=billed.allocation_ids.filtered(
                    lambda allocation: allocation.state != "cancel")[-1:].move_id.display_name or "",
            ))

    def _spread(self):
        """Return ``[(psa.entry, amount Decimal)]``: what each entry loses, to the cent what was asked for."""
        self.ensure_one()
        entries = self.entry_ids
        currency = entries.currency_id[:1]
        if not currency:
            return []
        worths = [decimal_of(entry._worth_left()) for entry in entries]
        if self.mode == "full":
            return list(zip(entries, worths, strict=True))
        if self.mode == "percent":
            share = decimal_of(self.percent) / 100
            return [(entry, round_amount(worth * share, currency))
                    for entry, worth in zip(entries, worths, strict=True)]
        total, whole = decimal_of(self.amount), sum(worths, Decimal(0))
        result, before, given = [], Decimal(0), Decimal(0)
        for entry, worth in zip(entries, worths, strict=True):
            before += worth
            part = round_amount(total * before / whole, currency) - given if whole else Decimal(0)
            given += part
            result.append((entry, part))
        return result

    def _make_lines(self):
        parts = [(entry, amount) for entry, amount in self._spread() if amount]
        if self.mode == "amount" and decimal_of(self.amount) > decimal_of(self.worth):
            raise UserError(self.env._(
                "%(amount)s is more than these entries are worth (%(worth)s).",
                amount=self.currency_id.format(self.amount), worth=self.currency_id.format(self.worth)))
        if not parts:
            raise UserError(self.env._("Nothing would be written down."))
        self.line_ids.unlink()
        self.env["psa.write.down.line"].create([
            {
                "write_down_id": self.id,
                "entry_id": entry.id,
                "worth": entry._worth_left(),
                "amount": float(amount),
                "quantity": float(entry._hours_of(amount)) if self.with_hours else 0.0,
            }
            for entry, amount in parts
        ])

    def _limited_amount(self):
        """Return what the limit is compared with, in the company's currency.

        What was written down of the same entries before counts: small steps do not get past the limit.
        """
        earlier = self.env["psa.write.down.line"].search([
            ("entry_id", "in", self.entry_ids.ids), ("state", "in", ("to_approve", "approved")),
            ("write_down_id", "!=", self.id),
        ])
        return self.env["psa.entry"]._to_company_currency(
            self.total + sum(earlier.mapped("amount")), self.currency_id.id, self.company_id.id)

    def _approve(self, user):
        self.write({"state": "approved", "decided_by": user.id, "decided_at": fields.Datetime.now()})
        self._log("approved")
        self.env.flush_all()
        self.line_ids.entry_id._mark_editor(self.requested_by)
        self.env["psa.entry"].sudo()._reprice(self.line_ids.entry_id)

    def _log(self, event):
        self.env["psa.audit"]._log([
            {
                "event": f"write_down.{event}",
                "res_model": self._name,
                "res_id": write_down.id,
                "company_id": write_down.company_id.id,
                "after": {
                    "state": write_down.state, "amount": write_down.total, "currency": write_down.currency_id.name,
                    "entries": write_down.line_ids.entry_id.ids, "reason": write_down.reason_id.code,
                    "requested_by": write_down.requested_by.login,
                },
                "reason": write_down.comment or write_down.reason_id.name,
            }
            for write_down in self
        ])

    def _outcome(self):
        """Say what happened: applied, or waiting for another person."""
        waiting = self.filtered(lambda write_down: write_down.state == "to_approve")
        message = (
            self.env._("Above the limit: another person has to approve it.") if waiting
            else self.env._("Written down: %s.", ", ".join(self.mapped("display_name"))))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if waiting else "success", "message": message,
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    @api.model
    def _give_up_over_cap(self, entries, comment):
        """Write off what is over a cap of ``entries``; what fits stays to be billed. Rights were checked before."""
        reason = self.env.ref("psa_hub.write_down_reason_over_cap")
        now = fields.Datetime.now()
        for group in entries.grouped(lambda entry: (entry.company_id, entry.currency_id)).values():
            write_down = self.sudo().create({
                "entry_ids": [fields.Command.set(group.ids)], "mode": "amount",
                "amount": sum(group.mapped("over_cap_amount")), "with_hours": True, "reason_id": reason.id,
                "comment": comment, "requested_by": self.env.uid, "decided_by": self.env.uid, "decided_at": now,
                "line_ids": [
                    fields.Command.create({
                        "entry_id": entry.id, "worth": entry._worth_left(), "amount": entry.over_cap_amount,
                        "quantity": entry.over_cap_quantity if entry.kind == "time" else 0.0,
                    })
                    for entry in group
                ],
            })
            write_down.state = "approved"
            write_down._log("approved")
        self.env.flush_all()
        self.env["psa.entry"].sudo()._decide_again(entries)


class PsaEntry(models.Model):
    _inherit = "psa.entry"

    def _worth_left(self):
        """Return what a write-down can take off: what is to be billed, what waits for a cap included."""
        self.ensure_one()
        return self.currency_id.round(self.amount + self.over_cap_amount) if self.currency_id else 0.0

    def _hours_of(self, amount):
        """Return the hours (Decimal) in proportion to ``amount`` of what is left of the entry's worth."""
        self.ensure_one()
        worth = decimal_of(self._worth_left())
        if self.kind != "time" or not worth:
            return Decimal(0)
        return quantity_of((decimal_of(self.quantity) + decimal_of(self.over_cap_quantity)) * amount / worth)

    def _lock_entries(self):
        """Lock these rows; one changed since the transaction began makes a serialization failure."""
        self.env.flush_all()
        self.env.execute_query(SQL(
            "SELECT id FROM psa_entry WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", self.ids))
