from collections import defaultdict
from datetime import date

from odoo import models
from odoo.tools import float_round

from ..billing.entry import RATE_DIGITS
from .tools import changed_values, save, share_prefetch, write_grouped

_EVER, _NEVER = date.min, date.max


class PsaApplyAssignment(models.AbstractModel):
    """Assignments -> ``psa.assignment``; a billable one with a rate makes the person's price on the contract.

    The price is a ``psa.rate`` of the contract and person (and role when the assignment names one) for the
    assignment's dates. Two assignments with the same price share one row; with different prices at one time the
    second is held: no rule could say which one is meant.
    """

    _name = "psa.apply.assignment"
    _inherit = "psa.apply"
    _description = "Apply Assignments"
    _canonical_names = {
        "project_id": "project", "employee_id": "resource", "role_id": "role", "per_day": "rate_per_day",
        "currency_id": "currency", "date_from": "starts_on", "date_to": "ends_on",
    }

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        for item in items:
            order = item.parents["project"].psa_contract_id if item.ok else None
            if order and self._priced(item) and item.values["currency"] not in (None, order.currency_id.name):
                item.hold(
                    "currency_mismatch",
                    self.env._(
                        "%(person)s is assigned to “%(project)s” at a rate in %(rate)s, but its contract %(contract)s "
                        "is in %(currency)s. Correct the rate at the source.",
                        person=item.parents["resource"].name, project=item.parents["project"].name,
                        rate=item.values["currency"], contract=order.name, currency=order.currency_id.name,
                    ),
                    key=item.key, company=order.company_id, record=order,
                )
        self._plan_rates(items)

    def _priced(self, item):
        return item.values["billable"] is not False and item.values["bill_rate"] is not None

    # === RATES === #
    def _scope(self, item):
        """Return the scope that the item's rate is unique in over time, or None when it makes no rate."""
        order = item.parents["project"].psa_contract_id
        if not order or not self._priced(item):
            return None
        role = item.values["role"]
        return (order.id, item.parents["resource"].id, role.id if role else False)

    def _hourly(self, item):
        """Return the item's price of one hour, with the decimals that a rate keeps."""
        rate = float(item.values["bill_rate"])
        if item.values["rate_per_day"]:
            rate = self.env.ref("uom.product_uom_day")._compute_price(rate, self.env.ref("uom.product_uom_hour"))
        return float_round(rate, precision_digits=RATE_DIGITS[1])

    def _span(self, source):
        return (source["starts_on"] or _EVER, source["ends_on"] or _NEVER)

    def _plan_rates(self, items):
        """Decide for each item which rate row it uses: ``{item: rate or values of a new one}``; hold the conflicts."""
        plan = {}
        items = [item for item in items if item.ok and self._scope(item)]
        if not items:
            return plan
        prices = self._known_prices(items)
        shared = self._shared_rates(items)
        for item in items:
            scope, (start, end), amount = self._scope(item), self._span(item.values), self._hourly(item)
            if amended := [price for price in prices[scope] if price["amended"]]:
                # The contract's amendments say what the hour costs now; the source's assignment does not any more.
                plan[item] = amended[-1]
                continue
            own = self._own_price(item, prices[scope], shared)
            overlapping = [
                price for price in prices[scope]
                if price is not own and price["start"] <= end and start <= price["end"]
            ]
            if clash := next((price for price in overlapping if price["amount"] != amount), None):
                self._hold_clash(item, amount, clash["amount"])
            elif covering := next(
                (price for price in overlapping if price["start"] <= start and end <= price["end"]), None
            ):
                plan[item] = covering
            elif overlapping and (own or len(overlapping) > 1):
                self._hold_clash(item, amount, overlapping[0]["amount"])
            elif overlapping:
                [price] = overlapping
                price.update(start=min(start, price["start"]), end=max(end, price["end"]))
                plan[item] = price
            else:
                if not own:
                    own = {"rate": None, "scope": scope, "item": item, "amended": False}
                    prices[scope].append(own)
                own.update(start=start, end=end, amount=amount)
                plan[item] = own
        return plan

    def _own_price(self, item, prices, shared):
        """Return the price that the item's assignment alone made before, or None."""
        rate = item.record.rate_id if item.record else None
        if not rate or rate in shared:
            return None
        return next((price for price in prices if price["rate"] == rate), None)

    def _known_prices(self, items):
        """Return ``{scope: [price]}`` of the rates that exist in the items' scopes, one query."""
        prices = defaultdict(list)
        scopes = {self._scope(item) for item in items}
        for rate in self.env["psa.rate"].search([
            ("order_id", "in", [order_id for order_id, _employee_id, _role_id in scopes]),
            ("employee_id", "in", [employee_id for _order_id, employee_id, _role_id in scopes]),
            ("project_id", "=", False),
        ], order="date_from, id"):
            scope = (rate.order_id.id, rate.employee_id.id, rate.role_id.id)
            prices[scope].append({
                "rate": rate, "scope": scope, "amount": rate.amount,
                "start": rate.date_from or _EVER, "end": rate.date_to or _NEVER,
                "amended": bool(rate.amendment_id or rate.ended_by_id),
            })
        return prices

    def _shared_rates(self, items):
        """Return the rates of the items that another assignment uses as well: they are not one item's to change."""
        rates = self.env["psa.rate"].union(*(item.record.rate_id for item in items if item.record))
        if not rates:
            return rates
        return rates.browse().union(*(
            rate for rate, count in self.env["psa.assignment"].with_context(active_test=False)._read_group(
                [("rate_id", "in", rates.ids)], ["rate_id"], ["__count"],
            ) if count > 1
        ))

    def _hold_clash(self, item, amount, other):
        order = item.parents["project"].psa_contract_id
        item.hold(
            "invalid_data",
            self.env._(
                "%(person)s would have two rates at one time on the contract %(contract)s: %(other)s, and %(amount)s "
                "of this assignment. Correct the dates or rates of the assignments at the source, or delete the wrong "
                "rate in Odoo.",
                person=item.parents["resource"].name, contract=order.name,
                other=order.currency_id.format(other), amount=order.currency_id.format(amount),
            ),
            key=item.key, company=order.company_id, record=order,
        )

    def _write_rates(self, plan):
        """Make the rows of ``plan`` true in one create and grouped writes, and return ``{item: rate}``."""
        prices = list({id(price): price for price in plan.values()}.values())
        new = [price for price in prices if not price["rate"]]
        self.env["psa.apply.turn"]._take({"rate:{}:{}".format(*price["scope"]) for price in new})
        rates = self.env["psa.rate"].create([self._rate_values(price) for price in new])
        write_grouped(
            (price["rate"], changed_values(price["rate"], self._price_values(price)))
            for price in prices if price["rate"] and not price["amended"]
        )
        for price, rate in zip(new, rates, strict=True):
            price["rate"] = rate
        return {item: price["rate"] for item, price in plan.items()}

    def _price_values(self, price):
        return {
            "amount": price["amount"],
            "date_from": False if price["start"] == _EVER else price["start"],
            "date_to": False if price["end"] == _NEVER else price["end"],
        }

    def _rate_values(self, price):
        order_id, employee_id, role_id = price["scope"]
        order = self.env["sale.order"].browse(order_id)
        return {
            **self._price_values(price),
            "company_id": order.company_id.id,
            "order_id": order_id,
            "employee_id": employee_id,
            "role_id": role_id,
            "currency_id": order.currency_id.id,
            "source": self.env._("Assignment %s", price["item"].external_id),
        }

    # === APPLY === #
    def _apply(self, items):
        plan = self._plan_rates(items)
        items = [item for item in items if item.ok]
        rates = self._write_rates({item: plan[item] for item in items if item in plan})
        values = {item: {**self._assignment_values(item), "rate_id": rates[item].id if item in rates else False}
                  for item in items}
        for item, assignment in save(self, "psa.assignment", items, values).items():
            item.done(assignment)

    def _assignment_values(self, item):
        source = item.values
        project = item.parents["project"]
        return {
            "project_id": project.id,
            "company_id": (project.company_id or item.company).id,
            "employee_id": item.parents["resource"].id,
            "role_id": source["role"].id if source["role"] else False,
            "billable": self._priced(item),
            "bill_rate": float(source["bill_rate"] or 0),
            "per_day": bool(source["rate_per_day"]),
            "currency_id": project.psa_contract_id.currency_id.id or project.company_id.currency_id.id,
            "date_from": source["starts_on"] or False,
            "date_to": source["ends_on"] or False,
            "active": source["active"] is not False,
        }

    def _delete(self, items):
        """An assignment deleted at the source is archived; its price stays for the work done under it."""
        write_grouped((item.record, {"active": False}) for item in items if item.record and item.record.active)
        for item in items:
            item.done(item.record)
