from odoo import fields, models
from odoo.fields import Domain

from .timeline import LIMIT

# The way of a record; what happens in the same second is shown in this order.
KINDS = ("source", "mapping", "rules", "exception", "audit", "proposal", "invoice", "payment", "write_back")


class PsaTimeline(models.AbstractModel):
    """What happened, kind by kind. Each method reads its rows at once and returns events, the newest first."""

    _inherit = "psa.timeline"

    def _gather(self, scope):
        """Return ``{kind: [event]}``; one more than the limit tells that there are older ones."""
        lines = self.env["psa.proposal.line"].search(
            [("entry_id", "in", scope["all_entries"].ids)], order="id desc", limit=20 * LIMIT)
        allocations = self._allocations(scope)
        moves = allocations.move_id | (scope["record"].sudo() if scope["record"]._name == "account.move"
                                       else self.env["account.move"].sudo())
        incoming = scope["messages"].filtered(lambda message: message.direction == "in")
        return {
            "source": self._source_events(incoming),
            "mapping": self._mapping_events(incoming),
            "rules": self._entry_events(scope["all_entries"]),
            "exception": self._exception_events(scope, incoming),
            "audit": self._audit_events(scope, lines.proposal_id, incoming),
            "proposal": self._proposal_events(lines),
            "invoice": self._invoice_events(moves, allocations),
            "payment": self._payment_events(moves),
            "write_back": self._write_back_events(scope["messages"] - incoming),
        }

    def _event(self, kind, at, record, title, text="", amount=None, currency=None):
        return {
            "kind": kind, "rank": KINDS.index(kind), "at": fields.Datetime.to_string(at), "title": title,
            "text": text or "", "amount": amount, "currency_id": currency.id if currency else False,
            "res_model": record._name, "res_id": record.id,
        }

    def _labels(self, records, field_name):
        return dict(records._fields[field_name]._description_selection(self.env))

    # === IN === #
    def _source_events(self, messages):
        states, reasons = self._labels(messages, "state"), self._labels(messages, "skip_reason")
        return [
            self._event(
                "source", message.received_at, message,
                self.env._("%(connection)s: %(type)s %(id)s", connection=message.connection_id.name,
                           type=message.object_type, id=message.external_id),
                " · ".join(filter(None, [
                    states[message.state], reasons.get(message.skip_reason),
                    message.error if message.state not in ("done", "skipped") else ""])),
                message.risk_amount or None, message.risk_currency_id)
            for message in messages.sorted("id", reverse=True)
        ]

    def _mapping_events(self, messages):
        return [
            self._event("mapping", message.done_at or message.write_date, message,
                        self.env._("Read with %s", message.mapping_id.display_name))
            for message in messages.filtered("mapping_id").sorted("id", reverse=True)
        ]

    def _entry_events(self, entries):
        """How the rules came to an amount; the entry's own page shows each step."""
        states, reasons = self._labels(entries, "state"), self._labels(entries, "reason")
        events = []
        for entry in entries:
            steps = (entry.trace or {}).get("steps") or []
            events.append(self._event(
                "rules", entry.create_date, entry, entry.display_name,
                " · ".join(filter(None, [
                    states[entry.state], reasons.get(entry.reason), entry.order_id.name,
                    self.env._("%s rules applied", len(steps)) if steps else ""])),
                entry.amount, entry.currency_id))
        return events

    # === HELD, AND WHAT PEOPLE DID === #
    def _exception_events(self, scope, messages):
        found = Domain("id", "in", (scope["all_entries"].exception_id | messages.exception_id).ids)
        for model_name in {name for name, _id in scope["subjects"]}:
            found |= Domain("res_model", "=", model_name) & Domain(
                "res_id", "in", [record_id for name, record_id in scope["subjects"] if name == model_name])
        record = scope["record"]
        if record._name == "psa.exception":
            found |= Domain("id", "=", record.id)
        exceptions = self.env["psa.exception"].search(found, order="id desc", limit=LIMIT + 1)
        states = self._labels(exceptions, "state")
        events = []
        for exception in exceptions:
            events.append(self._event(
                "exception", exception.first_seen, exception, exception.name,
                self.env._("Seen %s times", exception.recurrence_count) if exception.recurrence_count > 1 else "",
                exception.amount or None, exception.currency_id))
            if exception.closed_at:
                events.append(self._event(
                    "exception", exception.closed_at, exception,
                    self.env._("%(state)s: %(what)s", state=states[exception.state], what=exception.cause_id.name),
                    " · ".join(filter(None, [exception.closed_by_id.name, exception.close_reason]))))
        return events

    def _audit_events(self, scope, proposals, messages):
        subjects = scope["subjects"] | {("psa.proposal", proposal.id) for proposal in proposals} | {
            ("psa.message", message.id) for message in messages}
        found = Domain.FALSE
        for model_name in sorted({name for name, _id in subjects}):
            found |= Domain("res_model", "=", model_name) & Domain(
                "res_id", "in", [record_id for name, record_id in subjects if name == model_name])
        rows = self.env["psa.audit"].search(found, order="id desc", limit=LIMIT + 1)
        return [
            self._event("audit", row.moment, row, self.env._(
                "%(who)s: %(what)s", who=row.user_id.sudo().name, what=row.event_text), row.reason)
            for row in rows
        ]

    # === OUT === #
    def _proposal_events(self, lines):
        """One event a proposal: what of this stands on it, and its approval."""
        decisions, events = self._labels(lines, "decision"), []
        for proposal, of_proposal in lines.grouped("proposal_id").items():
            parts = [
                self.env._("%(count)s %(decision)s", count=len(members), decision=decisions[decision].lower())
                for decision, members in of_proposal.grouped("decision").items()]
            events.append(self._event(
                "proposal", proposal.create_date, proposal, self.env._("Proposal %s", proposal.name),
                ", ".join(parts),
                sum(of_proposal.filtered(lambda line: line.decision == "in").mapped("amount")),
                proposal.currency_id))
            if proposal.approved_at:
                events.append(self._event(
                    "proposal", proposal.approved_at, proposal, self.env._("Approved: %s", proposal.name),
                    proposal.approved_by.sudo().name))
        return events

    def _allocations(self, scope):
        domain = Domain("entry_id", "in", scope["all_entries"].ids)
        if scope["record"]._name == "account.move":
            domain = Domain("move_id", "=", scope["record"].id)
        return self.env["psa.allocation"].sudo().search(
            domain & Domain("company_id", "in", self.env.companies.ids), order="id desc", limit=20 * LIMIT)

    def _invoice_events(self, moves, allocations):
        states, events = self._labels(moves, "state"), []
        by_move = allocations.grouped("move_id")
        for move in moves.sorted("id", reverse=True):
            rows = by_move.get(move, allocations.browse())
            name = move.name or self.env._("Draft invoice")
            events.append(self._event(
                "invoice", move.create_date, move, name,
                " · ".join(filter(None, [states[move.state], move.partner_id.name])),
                sum(rows.mapped("amount")) if rows else move.amount_untaxed_signed, move.currency_id))
        return events

    def _payment_events(self, moves):
        payments = moves.matched_payment_ids.sorted("id", reverse=True)
        states = self._labels(payments, "state")
        return [
            self._event(
                "payment", payment.create_date, payment, payment.name or self.env._("Payment"),
                " · ".join(filter(None, [states[payment.state], payment.memo])), payment.amount, payment.currency_id)
            for payment in payments
        ]

    def _write_back_events(self, messages):
        states = self._labels(messages, "state")
        return [
            self._event(
                "write_back", message.done_at or message.received_at, message,
                self.env._("%(stream)s to %(connection)s: %(type)s %(id)s", stream=message.stream_id.name,
                           connection=message.connection_id.name, type=message.object_type, id=message.external_id),
                self.env._("Waits to go live") if message.is_shadow else " · ".join(filter(None, [
                    states[message.state], message.error if message.state not in ("done", "skipped") else ""])))
            for message in messages.sorted("id", reverse=True)
        ]
