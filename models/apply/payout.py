from odoo import Command, fields, models

from ..sync.item import record_key
from .tools import currencies_by_code


class PsaApplyPayout(models.AbstractModel):
    """Payouts -> one journal entry each, from the money that the provider holds to the bank.

    Odoo has no internal transfers of its own any more, so it is an entry in the payment journal. It goes to the bank
    journal's account for outstanding receipts when the journal has one, where the bank statement finds it, else to the
    bank account itself. What the payout consists of must be in the books first. A line that belongs to no payment is
    what the provider charges for itself, and goes to the fee account.
    """

    _name = "psa.apply.payout"
    _inherit = "psa.apply.money"
    _description = "Apply Payouts"
    _books = True

    # === PREPARE === #
    def _prepare(self, items):
        currencies = currencies_by_code(self.env, {item.values["currency"] for item in items})
        known = self._known_payments(items)
        for item in items:
            item.company = item.connection.company_id
            if self._is_booked(item):
                self._check_unchanged(item)
            elif self._has_arrived(item):
                self._check_new(item, currencies, known)
            else:
                item.skip("out_of_scope")  # it is on its way, or never came

    def _is_booked(self, item):
        return bool(item.record) and item.record.state == "posted" and not item.record.reversal_move_ids

    def _has_arrived(self, item):
        source = item.values
        moved = source["succeeded"] and not source["failed"] and source["amount"]
        return bool(moved) and not self._was_deleted(item)

    def _payment_type(self, connection):
        """Return the source's name of its payments."""
        streams = connection.with_context(active_test=False).stream_ids
        return streams.filtered(lambda stream: stream.canonical_type == "payment")[:1].object_type or "Payment"

    def _known_payments(self, items):
        """Return ``{(connection id, external id)}`` of the payments of these payouts that are in the books."""
        bindings = self.env["psa.binding"].search([
            ("connection_id", "in", list({item.connection.id for item in items})),
            ("external_id", "in", list({line["payment_id"] for item in items for line in item.values["lines"] or ()
                                        if line["payment_id"]})),
            ("res_model", "=", "account.payment"),
        ])
        return {(binding.connection_id.id, binding.external_id) for binding in bindings}

    def _check_new(self, item, currencies, known):
        source, company = item.values, item.company
        lines = source["lines"] or []
        hold = {"key": item.key, "company": company, "amount": source["amount"], "currency": source["currency"]}
        currency = currencies.get(source["currency"])
        others = [line for line in lines if not line["payment_id"]]
        settings = ["payment_journal_id", "payout_journal_id", *(["fee_account_id"] if others else [])]
        if not currency or not currency.active:
            item.hold("currency_mismatch", self.env._(
                "%(record)s is in %(currency)s, which is not switched on in Odoo.",
                record=item.name, currency=source["currency"]), **hold)
        elif not item.connection._hold_for_settings(item, settings):
            self._check_lines(item, lines, known, hold)
            if item.ok:
                self._hold_without_rate(item, currency, source["arrives_on"], hold)

    def _check_lines(self, item, lines, known, hold):
        """Hold ``item`` while its lines are not all in the books, or do not add up."""
        source = item.values
        unknown = [line for line in lines
                   if line["payment_id"] and (item.connection.id, line["payment_id"]) not in known]
        income = [line for line in lines if not line["payment_id"] and line["net"] > 0]
        difference = source["amount"] - sum(line["net"] for line in lines)
        if unknown:
            first = unknown[0]["payment_id"]
            missing = sum(line["net"] for line in unknown)
            item.hold("payout_incomplete", self.env._(
                "%(record)s of %(amount)s %(currency)s contains %(count)s payments over %(missing)s that "
                "are not in the books, first %(first)s. It goes on by itself when they are.",
                record=item.name, amount=source["amount"], currency=source["currency"], count=len(unknown),
                missing=missing, first=first,
            ), **{**hold, "amount": abs(missing),
                  "key": record_key(item.connection.id, self._payment_type(item.connection), first)})
        elif income:
            item.hold("payout_incomplete", self.env._(
                "%(record)s contains %(amount)s %(currency)s (%(kind)s) that belong to no payment. Find out "
                "where they come from, book the payout by hand and waive this.",
                record=item.name, amount=income[0]["net"], currency=source["currency"],
                kind=income[0]["description"] or income[0]["kind"],
            ), **{**hold, "amount": income[0]["net"]})
        elif source["complete"] and difference:
            item.hold("payout_incomplete", self.env._(
                "%(record)s is %(amount)s %(currency)s, but what it consists of adds up to %(sum)s.",
                record=item.name, amount=source["amount"], currency=source["currency"],
                sum=source["amount"] - difference,
            ), **{**hold, "amount": abs(difference)})

    def _check_unchanged(self, item):
        source, line = item.values, self._bank_line(item.record)
        if source["failed"] or not source["succeeded"]:
            return
        if line.currency_id.name != source["currency"] or line.currency_id.compare_amounts(
                line.amount_currency, float(source["amount"])):
            item.hold("payment_changed", self.env._(
                "%(record)s is booked as %(booked)s in %(entry)s, and now it says %(amount)s %(currency)s.",
                record=item.name, booked=line.currency_id.format(line.amount_currency), entry=item.record.name,
                amount=source["amount"], currency=source["currency"],
            ), key=item.key, amount=source["amount"], currency=source["currency"], company=item.company,
                record=item.record)

    def _bank_line(self, move):
        return move.line_ids.sorted("id")[:1]

    # === APPLY === #
    def _apply(self, items):
        currencies = currencies_by_code(self.env, {item.values["currency"] for item in items})
        for item in items:
            move = item.record
            if not self._is_booked(item):
                move = self.with_company(item.company)._book(item, currencies[item.values["currency"]])
            elif item.values["failed"]:
                move._reverse_moves([{
                    "date": fields.Date.context_today(self), "ref": self.env._("%s came back", move.ref),
                }], cancel=True)
            item.done(move)

    def _book(self, item, currency):
        source, company, connection = item.values, item.company, item.connection
        bank, provider = self._bank_account(connection), connection.payment_journal_id.default_account_id
        ref = self.env._("Payout %s", item.external_id)
        others = [line for line in source["lines"] or () if not line["payment_id"] and line["net"]]
        amount, charged = source["amount"], -sum(line["net"] for line in others)
        rows = [(bank, amount, ref), (provider, -(amount + charged), ref), *(
            (connection.fee_account_id, -line["net"], line["description"] or line["kind"]) for line in others)]
        balances = [
            currency._convert(float(value), company.currency_id, company, source["arrives_on"])
            for _account, value, _name in rows]
        balances[1] -= sum(balances)  # what rounding leaves over stays with the provider's money
        move = self.env["account.move"].create({
            "move_type": "entry", "journal_id": connection.payment_journal_id.id, "company_id": company.id,
            "date": source["arrives_on"], "ref": ref,
            "line_ids": [
                Command.create({
                    "account_id": account.id, "name": name, "currency_id": currency.id,
                    "amount_currency": float(value), "balance": company.currency_id.round(balance)})
                for (account, value, name), balance in zip(rows, balances, strict=True)
            ],
        })
        move._post(soft=False)
        return move

    def _bank_account(self, connection):
        """Return where the bank statement will look for the payout."""
        journal = connection.payout_journal_id
        return journal.inbound_payment_method_line_ids.payment_account_id[:1] or journal.default_account_id
