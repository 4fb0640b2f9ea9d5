from collections import defaultdict
from decimal import Decimal

from odoo import fields, models
from odoo.tools import SQL

from .pricing import decimal_of, plain, round_amount

ZERO = Decimal(0)


class PsaEntry(models.Model):
    """Expense policies: what they hold, what they bill instead of the cost, and what they limit."""

    _inherit = "psa.entry"

    # === FINDING === #
    def _prepare_policies(self, rows):
        """Set ``policy``, ``tried``, cost by the policy's basis, ``has_receipt`` and ``violation`` of expense rows."""
        if not rows:
            return
        expenses = self.env["hr.expense"].sudo().browse({row["source_id"] for row in rows if row["source_id"]})
        by_id = {expense.id: expense for expense in expenses}
        for row in rows:
            row["expense"] = by_id.get(row["source_id"], expenses.browse())
            row["product_id"] = row["expense"].product_id.id
            row.update(violation=None, has_receipt=True)
        found = self.env["psa.expense.policy"]._find(rows)
        for row, (policy, tried) in zip(rows, found, strict=True):
            row["policy"], row["tried"] = policy, tried
            if policy and policy.basis != "source" and row["expense"]:
                row["cost"] = row["expense"]._psa_cost(policy.basis)
                row["cost_currency_id"] = row["expense"].currency_id.id
        asked = [row for row in rows if row["policy"] and row["policy"].receipt_from is not None]
        if asked:
            with_receipt = {res_id for res_id, in self.env["ir.attachment"].sudo()._read_group(
                [("res_model", "=", "hr.expense"), ("res_id", "in", [row["source_id"] for row in asked])], ["res_id"])}
            for row in asked:
                row["has_receipt"] = row["source_id"] in with_receipt

    def _policy_trace(self, row):
        policy = row["policy"]
        trace = {
            "policy_id": policy.id,
            "scope": policy.scope,
            "tried": row["tried"],
            "valid_from": policy.date_from and policy.date_from.isoformat(),
            "valid_to": policy.date_to and policy.date_to.isoformat(),
            "billed": policy.method,
            "cost_is": policy.basis,
        }
        if row["policy_conversion"]:
            trace["exchange"] = row["policy_conversion"].trace(
                self.env["res.currency"].browse(policy.currency_id), self._currency_of(row))
        return trace

    def _policy_amount(self, row, amount):
        """Return an amount of the policy in the contract's currency, rounded."""
        conversion = row["policy_conversion"]
        return round_amount(amount * conversion.factor if conversion else amount, self._currency_of(row))

    # === HOLDS === #
    def _hold_by_terms(self, rows):
        result = super()._hold_by_terms(rows)
        approved = [row for row in rows if row["state"] == "approved" and row["kind"] == "expense"]
        self._prepare_costs(approved)
        for row in approved:
            if row["policy"]:
                self._hold_by_policy(row)
        return result

    def _hold_by_policy(self, row):
        """Keep an approved expense from billing that its policy does not let through; the first reason that applies."""
        policy = row["policy"]
        if policy.method == "not_billed":
            row["state"], row["reason"] = "excluded", "policy_excluded"
        elif row["unknown"]:
            row["state"], row["reason"] = "held", row["unknown"]
        elif policy.max_age_days and self._age(row) > policy.max_age_days:
            row["violation"] = "age"
        elif policy.method == "per_diem" and row["cost"] < 0:
            row["violation"] = "negative"
        elif not row["has_receipt"] and self._needs_receipt(row):
            row["state"], row["reason"] = "held", "receipt_missing"
        if row["violation"]:
            row["state"], row["reason"] = "held", "expense_policy"

    def _age(self, row):
        """Return the days from the expense to its approval; without one to today."""
        approved_at = (row["entry"] and row["entry"].approved_at) or fields.Datetime.now()
        return (approved_at.date() - row["work_date"]).days

    def _needs_receipt(self, row):
        cost = row["cost"] * (row["conversion"].factor if row["conversion"] else 1)
        return cost > 0 and cost >= self._policy_amount(row, row["policy"].receipt_from)

    # === PER DIEM AND LIMITS === #
    def _per_diem(self, row):
        """Return ``(amount, exact)`` of a per diem, which is billed instead of the cost."""
        days = abs(row["quantity"])
        allowance = row["policy"].per_diem * (row["policy_conversion"].factor if row["policy_conversion"] else 1)
        exact = allowance * days
        row["trace"].update(days=plain(days), per_day=plain(allowance))
        return round_amount(exact, self._currency_of(row)), exact

    def _price(self, rows):
        result = super()._price(rows)
        limited = [
            row for row in rows
            if row.get("policy") and row["state"] == "approved" and (row["policy"].cap or row["policy"].is_daily)
        ]
        others = self._same_day(limited, {row["entry"].id for row in rows if row["entry"]})
        for row in sorted(limited, key=self._day_order):
            before = sum((
                amount for order, amount in others[self._day_key(row)] if order < self._day_order(row)), ZERO)
            self._limit(row, before)
            if row["policy"].is_daily:
                others[self._day_key(row)].append((self._day_order(row), row["amount"]))
        return result

    def _limit(self, row, before):
        """Take off what is above the policy.

        :param before: Decimal: what earlier expenses of the same person and day are billed at
        """
        policy = row["policy"]
        if row.get("kept"):
            if over := decimal_of(row["entry"].policy_over_amount):
                self._keep_back(row, over)
            return
        if policy.method == "per_diem":
            if before:
                row["gross"] = row["amount"] = ZERO
                row["state"], row["reason"] = "excluded", "per_diem"
            return
        room = self._policy_amount(row, policy.cap)
        if policy.cap_per == "day":
            room = max(room - before, ZERO)
        over = row["amount"] - room
        if over <= 0:
            return
        words = {"limit": plain(self._policy_amount(row, policy.cap)), "per": policy.cap_per}
        if policy.cap_per == "day":
            words["billed_that_day"] = plain(before)
        if policy.over_cap == "tell" and not (row["entry"] and row["entry"].policy_cut):
            self._keep_back(row, over, **words)
            return
        row["gross"] = row["amount"] = room
        row["rate"] = room / row["gross_quantity"]
        row["steps"].append({
            "step": "cut_by_policy", **words, "amount": plain(-over), "left": plain(room)})
        if not room:
            row["state"], row["reason"] = "excluded", "policy_excluded"

    def _keep_back(self, row, over, **words):
        row["over_policy"] = over
        row["violation"] = "cap"
        self._take_off(row, "over_cap", over, of="expense_policy", **words)

    def _deduct(self, rows):
        result = super()._deduct(rows)
        for row in rows:
            if row["reason"] == "cap_reached" and row.get("over_policy") and row["over_policy"] == row["amount"]:
                row["reason"], row["over_policy"] = "expense_policy", ZERO
        return result

    def _decide(self, rows):
        result = super()._decide(rows)
        for row in rows:
            over = row.get("over_policy")
            if row["held_for"] == "cap_reached" and over and over == row["over_cap"]:
                row["held_for"] = "expense_policy"
        return result

    # === ONE PERSON, ONE DAY === #
    def _day_key(self, row):
        return row["policy"].id, row["order_id"], row["employee_id"] or 0, row["work_date"]

    def _day_order(self, row):
        """Return the place of an expense among those of its day: billed ones first, then as they came."""
        return not self._is_billed(row), row["work_date"], row["source_id"] or 0

    def _same_day(self, rows, but):
        """Return ``{day key: [(place, amount)]}`` of the approved expenses that share a day with ``rows``, one query.

        Two workers must not both find the day empty: each takes its turn for the day first.

        :param but: ids of entries that are being decided themselves
        """
        others = defaultdict(list)
        daily = [row for row in rows if row["policy"].is_daily]
        if not daily:
            return others
        keys = {self._day_key(row) for row in daily}
        self.env["psa.apply.turn"].sudo()._take({
            f"expense-day:{policy}:{order}:{employee}:{day}" for policy, order, employee, day in keys})
        for entry in self._entries_of_days(keys, but):
            if entry.state == "approved":
                place = (entry.billing_state == "to_bill", entry.work_date, entry.expense_id.id or 0)
                others[entry._own_day_key()].append((place, decimal_of(entry.amount)))
        return others

    def _entries_of_days(self, keys, but=()):
        """Return the entries of these day keys, except those with the ids ``but``."""
        self.flush_model()
        policies, orders, employees, days = zip(*sorted(keys), strict=True)
        return self.browse(row[0] for row in self.env.execute_query(SQL(
            """
            SELECT entry.id
              FROM unnest(%s::int[], %s::int[], %s::int[], %s::date[]) AS day(policy_id, order_id, employee_id, day)
              JOIN psa_entry entry
                ON entry.expense_policy_id = day.policy_id AND entry.order_id = day.order_id
               AND COALESCE(entry.employee_id, 0) = day.employee_id AND entry.work_date = day.day
             WHERE entry.state <> 'withdrawn' AND entry.reason IS DISTINCT FROM 'waived' AND entry.id <> ALL(%s)
          ORDER BY entry.id
            """,
            list(policies), list(orders), list(employees), list(days), list(but),
        )))

    def _own_day_key(self):
        return self.expense_policy_id.id, self.order_id.id, self.employee_id.id or 0, self.work_date

    def _store(self, rows, source_field):
        """Let the other expenses of a person's day follow what these left of it."""
        keys = {
            row["entry"]._own_day_key() for row in rows
            if row["kind"] == "expense" and row["entry"] and row["entry"].expense_policy_id
        } | {self._day_key(row) for row in rows if row.get("policy")}
        entries = super()._store(rows, source_field)
        if keys and not self.env.context.get("psa_same_day"):
            policies = self.env["psa.expense.policy"].browse({key[0] for key in keys}).exists()
            daily = set(policies.filtered(
                lambda policy: policy.method == "per_diem" or (policy.cap_amount and policy.cap_per == "day")).ids)
            shared = {key for key in keys if key[0] in daily}
            of_days = self._entries_of_days(shared) if shared else self.browse()
            if of_days - entries:
                # All of the day at once: each one's share follows from those before it.
                self.with_context(psa_same_day=True)._reprice(of_days.filtered(
                    lambda entry: entry.state in ("approved", "held")
                    or entry.reason in ("per_diem", "policy_excluded")))
        return entries

    # === WHY HELD === #
    def _held_expense_policy(self, row):
        order, policy = self._order_of(row), self.env["psa.expense.policy"].browse(row["policy"].id)
        words = {"contract": order.name, "customer": order.partner_id.name, "policy": policy.display_name}
        key = f"expense_policy:{order.id}:{policy.id}:{row['violation']}"
        if row["violation"] == "age":
            text = self.env._(
                "Expenses on %(contract)s of %(customer)s were approved more than %(days)s days after they were made",
                days=row["policy"].max_age_days, **words)
        elif row["violation"] == "negative":
            text = self.env._(
                "An expense on %(contract)s of %(customer)s was taken back, but its day is billed by per diem", **words)
        else:
            text = self.env._(
                "Expenses on %(contract)s of %(customer)s are above the %(limit)s of the policy %(policy)s",
                limit=policy.currency_id.format(float(row["policy"].cap)), **words)
        return key, text, policy

    def _held_receipt_missing(self, row):
        order = self._order_of(row)
        person = self.env["hr.employee"].browse(row["employee_id"]).name or self.env._("somebody")
        return f"receipt:{order.id}:{row['employee_id'] or 0}", self.env._(
            "Receipts of %(person)s are missing for expenses on %(contract)s of %(customer)s",
            person=person, contract=order.name, customer=order.partner_id.name,
        ), row["source"]

    # === GIVING UP === #
    def action_waive(self, reason):
        """Of an expense that is billed up to its policy, only what is above is given up."""
        above = self.sudo().filtered(
            lambda entry: entry.state == "approved" and entry.policy_over_amount and entry.billing_state == "to_bill")
        above.policy_cut = True
        self._reprice(above)
        return super(PsaEntry, self - above).action_waive(reason)
