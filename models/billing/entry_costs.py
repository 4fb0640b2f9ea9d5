from decimal import Decimal

from odoo import api, fields, models
from odoo.fields import Domain

from .costs import closing_trace, price_cost
from .entry_kinds import HUSH
from .exchange_rate import Wanted
from .pricing import decimal_of, plain, quantity_of, round_amount

ZERO = Decimal(0)


class PsaEntry(models.Model):
    """Costs that are passed on: in which currency they came, under which policy, what they come to."""

    _inherit = "psa.entry"

    # === FIELDS === #
    reason = fields.Selection(
        selection_add=[
            ("policy_excluded", "Not billed by the expense policy of the contract"),
            ("per_diem", "Paid by the per diem of that day"),
        ],
        ondelete={"policy_excluded": "set null", "per_diem": "set null"},
    )
    expense_policy_id = fields.Many2one(
        "psa.expense.policy", index="btree_not_null", readonly=True, ondelete="set null")
    policy_currency_id = fields.Many2one("res.currency", readonly=True, ondelete="restrict")
    policy_over_amount = fields.Monetary(
        "Above the Policy", readonly=True, help="The part that the expense policy keeps back; a person decides.")
    policy_cut = fields.Boolean(
        "Above Given Up", readonly=True, help="A person gave up what is above the expense policy.")
    cost_currency_id = fields.Many2one(
        "res.currency", readonly=True, ondelete="restrict", help="Currency in which the cost came.")
    cost_amount = fields.Monetary(
        "Cost", readonly=True, help="What is passed on, without mark-up, in the contract's currency.")
    margin_amount = fields.Monetary("Margin", compute="_compute_margin", help="What is billed, less the cost.")
    margin_percent = fields.Float(
        "Margin (%)", compute="_compute_margin", help="Of what is billed.", digits=(16, 1))

    # === COMPUTE === #
    @api.depends("amount", "cost_amount")
    def _compute_margin(self):
        for entry in self:
            entry.margin_amount = entry.amount - entry.cost_amount if entry.cost_amount else 0.0
            entry.margin_percent = 100 * entry.margin_amount / entry.amount if entry.amount else 0.0

    # === WHAT IT COST === #
    def _prepare_costs(self, rows):
        """Complete the rows with cost, policy and exchange, as far as that has not been done; a few queries for all.

        Sets ``cost`` (Decimal, in ``cost_currency_id``), ``conversion`` (:class:`~.costs.Conversion`, or None when
        it is the contract's currency), ``unknown`` (why the worth is not known: ``currency_mismatch``,
        ``missing_exchange_rate`` or None), and what :meth:`_prepare_policies` sets.

        :param rows: rows of any kind but time
        """
        rows = [row for row in rows if "cost" not in row]
        for row in rows:
            row.update(
                cost=row["fixed"] or ZERO, cost_currency_id=row["source_currency_id"] or row["currency_id"],
                conversion=None, unknown=None, policy=None, policy_conversion=None, over_policy=ZERO,
                converted=ZERO,
            )
        self._prepare_policies([row for row in rows if row["kind"] == "expense"])
        wanted = {}
        for row in rows:
            for name, currency_id in (
                ("conversion", row["cost_currency_id"]),
                ("policy_conversion", row["policy"] and row["policy"].has_amounts and row["policy"].currency_id),
            ):
                if currency_id and currency_id != row["currency_id"]:
                    wanted.setdefault(Wanted(row["order_id"], currency_id, row["work_date"]), []).append((row, name))
        if not wanted:
            return
        found = self.env["psa.exchange.rate"]._find(wanted)
        for want, places in wanted.items():
            for row, name in places:
                row[name] = found.get(want)
                if want not in found:
                    row["unknown"] = "currency_mismatch"
                elif not row[name] and row["unknown"] != "currency_mismatch":
                    row["unknown"] = "missing_exchange_rate"
                if not row[name]:
                    row["unknown_currency_id"] = want.currency_id

    # === STANDING AND PRICE === #
    def _standing(self, row):
        """Leave it to the price whether another currency can be billed: it knows what the contract's rule gives.

        Hours are priced by the contract's own rates; where the contract has a rule for other currencies, the currency
        of what the source would bill is no reason to hold them.
        """
        state, reason = super()._standing(row)
        if reason == "currency_mismatch" and (row["kind"] != "time" or self._order_of(row).psa_exchange_rule):
            return "approved", None
        return state, reason

    def _price_agreed(self, rows):
        """Convert and mark up costs; what came in the contract's currency under no policy is taken as it is."""
        self._prepare_costs(rows)
        result = super()._price_agreed([row for row in rows if not self._is_passed_on(row)])
        for row in rows:
            if not self._is_passed_on(row):
                if row["kind"] == "expense":
                    row["converted"] = round_amount(row["cost"], self._currency_of(row))
            elif self._is_billed(row) and self._same_facts(row):
                self._keep_price(row)
            elif row["unknown"]:
                row["trace"] = self._cost_trace(row)
                if row["state"] == "approved":
                    row["state"], row["reason"] = "held", row["unknown"]
            else:
                self._price_cost(row)
            row["rate"] = row["gross"] / row["gross_quantity"] if row["gross_quantity"] else ZERO
        return result

    def _is_passed_on(self, row):
        """Tell whether a row is more than an agreed amount in the contract's currency."""
        return bool(row["conversion"] or row["unknown"] or row["policy"] or row["kind"] == "pass_through")

    def _price_cost(self, row):
        """Price one cost whose exchange is known."""
        currency = self._currency_of(row)
        markup = self._markup(row)
        row["gross"], row["converted"], exact = price_cost(row["cost"], currency, row["conversion"], markup)
        row["trace"] = self._cost_trace(row)
        if row["policy"] and row["policy"].method == "per_diem":
            row["gross"], exact = self._per_diem(row)
        elif markup:
            row["trace"]["markup_percent"] = plain(markup)
        row["trace"].update(closing_trace(exact, row["gross"], currency))

    def _markup(self, row):
        """Return the mark-up on a row's cost in percent, as a Decimal."""
        policy = row["policy"]
        return policy.markup if policy and policy.method == "markup" else ZERO

    def _cost_trace(self, row):
        """Return the first lines of the trace: the cost, the policy, the exchange."""
        cost_currency = self.env["res.currency"].browse(row["cost_currency_id"])
        trace = {
            "rule": "passed_on",
            "source": row["kind"],
            "cost": plain(row["cost"]),
            "cost_currency": cost_currency.name,
        }
        if row["policy"]:
            trace["policy"] = self._policy_trace(row)
        if row["conversion"]:
            trace["exchange"] = row["conversion"].trace(cost_currency, self._currency_of(row))
        elif row["unknown"]:
            trace["exchange"] = row["unknown"]
        return trace

    # === ON AN INVOICE ALREADY === #
    def _same_facts(self, row):
        """Tell whether the source says of a billed entry what it said when it was priced."""
        entry = row["entry"]
        return (
            bool(entry.trace)
            and entry.order_id.id == row["order_id"]
            and entry.work_date == row["work_date"]
            and decimal_of(entry.agreed_amount) == quantity_of(row["fixed"])
            and entry.source_currency_id.id == (row["source_currency_id"] or row["currency_id"])
        )

    def _keep_price(self, row):
        """Price a billed entry as it was: later policies and exchange rates reach only what is on no invoice."""
        entry = row["entry"]
        row["gross"], row["converted"] = decimal_of(entry.gross_amount), decimal_of(entry.cost_amount)
        row["trace"] = {name: value for name, value in entry.trace.items() if name != "steps"}
        row["kept"] = True

    # === STORING === #
    def _values(self, row, exceptions, now):
        return {
            **super()._values(row, exceptions, now),
            "expense_policy_id": row["policy"].id if row.get("policy") else False,
            "policy_currency_id":
                row["policy"].currency_id if row.get("policy") and row["policy"].has_amounts else False,
            "policy_over_amount": float(row.get("over_policy", 0)),
            "cost_currency_id": row.get("cost_currency_id", False),
            "cost_amount": float(row.get("converted", 0)),
        }

    # === WHY HELD === #
    def _held_currency_mismatch(self, row):
        currency_id = row.get("unknown_currency_id") or row["source_currency_id"]
        return super()._held_currency_mismatch({**row, "source_currency_id": currency_id})

    def _held_missing_exchange_rate(self, row):
        order = self._order_of(row)
        foreign = self.env["res.currency"].browse(row["unknown_currency_id"])
        words = {
            "contract": order.name, "customer": order.partner_id.name, "currency": order.currency_id.name,
            "other": foreign.name,
        }
        if order.psa_exchange_rule == "fixed":
            return f"exchange:{order.id}:{foreign.id}:", self.env._(
                "%(contract)s of %(customer)s bills %(other)s at a fixed rate, and none is agreed", **words), foreign
        day = order._psa_exchange_date(row["work_date"])
        key = f"exchange:{order.id}:{foreign.id}:{day.isoformat()}"
        if day > fields.Date.context_today(self):
            return key, self.env._(
                "%(contract)s of %(customer)s bills %(other)s at the rate of %(date)s, which has not come yet",
                date=day, **words), foreign
        return key, self.env._(
            "No exchange rate from %(other)s to %(currency)s on or before %(date)s, which %(contract)s of %(customer)s "
            "asks for", date=day, **words), foreign

    # === TIME PASSES === #
    def _cron_retry_exchange(self):
        """A month has ended, or a day has come: what waited for its exchange rate is looked at again."""
        self._reprice(self.with_context(**HUSH).search(
            Domain("reason", "=", "missing_exchange_rate") & Domain("billing_state", "=", "to_bill")))
