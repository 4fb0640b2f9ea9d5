from collections import defaultdict
from datetime import date, timedelta

from odoo import fields, models
from odoo.tools import float_round, format_date

from ..billing.entry import RATE_DIGITS
from .project_subjects import contract_key
from .tools import changed_values, currencies_by_code, share_prefetch

_EVER, _NEVER, _DAY = date.min, date.max, timedelta(days=1)
_SCOPE_FIELDS = ("company_id", "order_id", "partner_id", "employee_id", "role_id", "currency_id")


class PsaRate(models.Model):
    """Rates of a source know how long the source meant them to last; a later one of it may end them before."""

    _inherit = "psa.rate"

    stated_date_to = fields.Date(
        "Last Day at the Source", readonly=True, copy=False,
        help="The rate ends earlier where the next rate of the source begins.")

    def write(self, vals):
        result = super().write(vals)
        self._release_conflicts()
        return result

    def unlink(self):
        self._release_conflicts()
        return super().unlink()

    def _release_conflicts(self):
        """Let the rates of sources look again that these were in the way of."""
        self.env["psa.message"].sudo()._release_now([_conflict_key(rate) for rate in self])


class PsaApplyRate(models.AbstractModel):
    """Billing rates -> ``psa.rate`` of the contract, customer or company, for a person, a role or both.

    A rate lasts until the next one of the same connection and scope begins; one that is deleted at the source stays for
    the work done under it. What others made (a person, a deal, an amendment) is never changed: a rate that overlaps
    with it is held.
    """

    _name = "psa.apply.rate"
    _inherit = "psa.apply"
    _description = "Apply Billing Rates"

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        items = [item for item in items if item.ok]
        currencies = currencies_by_code(self.env, {item.values["currency"] for item in items})
        for item in items:
            self._check(item, currencies.get(item.values["currency"]))
        self._plan([item for item in items if item.ok])

    def _check(self, item, currency):
        """Hold a rate that is for nobody, or not in the currency of its contract."""
        values, order = item.values, self._contract_of(item)
        if item.parents.get("project") and not order:
            project = item.parents["project"]
            item.hold(
                "no_contract",
                self.env._(
                    "A rate came in for the project “%s”, which has no contract. Choose the project's contract.",
                    project.name),
                key=contract_key(project), company=project.company_id or item.company, record=project)
            return
        if order and order.currency_id != currency:
            item.hold(
                "currency_mismatch",
                self.env._(
                    "A rate for the contract %(contract)s is in %(rate)s, but the contract is in %(currency)s. Correct "
                    "the rate at the source.",
                    contract=order.name, rate=values["currency"], currency=order.currency_id.name),
                key=item.key, company=order.company_id, record=order)
            return
        customer = item.parents.get("party")
        text = None
        if not order and not item.parents.get("resource") and not values["role"]:
            text = self.env._(
                "%s names neither a person nor a role. Only a contract can have one price for everyone.", item.name)
        elif order and customer and order.partner_id.commercial_partner_id != customer.commercial_partner_id:
            text = self.env._(
                "%(rate)s is for %(customer)s, but its project belongs to the contract %(contract)s of %(owner)s.",
                rate=item.name, customer=customer.display_name, contract=order.name,
                owner=order.partner_id.display_name)
        elif not currency or not currency.active:
            text = self.env._("%(rate)s is in %(currency)s, which is not switched on in Odoo.",
                              rate=item.name, currency=values["currency"])
        elif values["amount"] < 0:
            text = self.env._("The price of %s is less than nothing.", item.name)
        elif values["starts_on"] and values["ends_on"] and values["ends_on"] < values["starts_on"]:
            text = self.env._("%s ends before it starts.", item.name)
        if text:
            item.hold("invalid_data", text, key=item.key)

    def _contract_of(self, item):
        project = item.parents.get("project")
        return project.psa_contract_id if project else self.env["sale.order"]

    # === PLAN === #
    def _scope(self, item, currencies):
        """Return what the item's rate is unique in over time: ids in the order of ``_SCOPE_FIELDS``."""
        order, party = self._contract_of(item), item.parents.get("party")
        company = order.company_id or item.values["company"] or item.company
        person, role = item.parents.get("resource"), item.values["role"]
        return (
            company.id, order.id, party.id if party and not order else False, person.id if person else False,
            role.id if role else False, currencies[item.values["currency"]].id)

    def _plan(self, items):
        """Return the prices of all scopes that ``items`` touch, as they have to be; hold the items that do not fit in.

        :return: list of dicts ``rate`` (empty for a new one), ``item`` (None: of an earlier batch), ``scope``,
            ``start``, ``stated``, ``end``, ``amount``
        """
        if not items:
            return []
        currencies = currencies_by_code(self.env, {item.values["currency"] for item in items})
        scopes = {item: self._scope(item, currencies) for item in items}
        before = {_scope_of(item.record) for item in items if item.record}
        own, others = self._known(items[0].connection, before | set(scopes.values()))
        of_item = {item.record: item for item in items if item.record}
        prices = [price for price in own if price["rate"] not in of_item]
        for item in items:
            if self._is_amended(item.record):
                continue  # the contract's amendments say what the hour costs now; the source does not any more
            prices.append({
                "rate": item.record or self.env["psa.rate"], "item": item, "scope": scopes[item],
                "start": item.values["starts_on"] or _EVER, "stated": item.values["ends_on"] or _NEVER,
                "amount": float_round(float(item.values["amount"]), precision_digits=RATE_DIGITS[1]),
            })
        while clashes := self._clashes(_with_ends(prices), others):
            for price, other in clashes:
                self._hold_clash(price, other)
            held = {id(price) for price, _other in clashes}
            kept = {price["rate"] for price, _other in clashes if price["rate"]}
            prices = [price for price in prices if id(price) not in held]
            prices += [price for price in own if price["rate"] in kept]  # what it was stays
        return prices

    def _is_amended(self, rate):
        return bool(rate) and bool(rate.amendment_id or rate.ended_by_id or not rate.active)

    def _known(self, connection, scopes):
        """Return the prices that the connection made in these scopes, and ``{scope: rates that others made}``."""
        Rate = self.env["psa.rate"]
        columns = [{ids[position] for ids in scopes} for position in range(len(_SCOPE_FIELDS))]
        rates = Rate.search([
            *((name, "in", list(ids)) for name, ids in zip(_SCOPE_FIELDS, columns, strict=True)),
            ("project_id", "=", False)])
        linked = {binding.res_id for binding in self.env["psa.binding"].search_fetch([
            ("connection_id", "=", connection.id), ("res_model", "=", Rate._name),
            ("res_id", "in", rates.ids)], ["res_id"])}
        own, others = [], defaultdict(list)
        for rate in rates:
            scope = _scope_of(rate)
            if rate.id in linked and not self._is_amended(rate):
                own.append({
                    "rate": rate, "item": None, "scope": scope, "start": rate.date_from or _EVER,
                    "stated": rate.stated_date_to or _NEVER, "amount": rate.amount})
            else:
                others[scope].append(rate)
        return own, others

    def _clashes(self, prices, others):
        """Return ``[(price of an item, rate or price in its way)]``."""
        clashes, first = [], {}
        for price in prices:
            if not price["item"]:
                first[price["scope"], price["start"]] = price
        for price in prices:
            if not price["item"]:
                continue
            rival = first.setdefault((price["scope"], price["start"]), price)
            if rival is not price:
                clashes.append((price, rival))
                continue
            in_the_way = next((
                rate for rate in others[price["scope"]]
                if (rate.date_from or _EVER) <= price["end"] and price["start"] <= (rate.date_to or _NEVER)), None)
            if in_the_way:
                clashes.append((price, in_the_way))
        return clashes

    def _hold_clash(self, price, other):
        item = price["item"]
        currency = self.env["res.currency"].browse(price["scope"][-1])
        names = {"rate": item.name, "amount": currency.format(price["amount"])}
        if isinstance(other, dict):
            item.hold(
                "rate_conflict",
                self.env._(
                    "%(rate)s of %(amount)s begins on the same day as another one of the source for the same "
                    "work: %(other)s. Correct the dates at the source.",
                    other=currency.format(other["amount"]), **names),
                key=item.key, record=other["rate"] or None)
            return
        item.hold(
            "rate_conflict",
            self.env._(
                "%(rate)s of %(amount)s would count at the same time as %(other)s (%(start)s to %(end)s, made "
                "by %(maker)s). Change or delete that one in Odoo, or correct the new one at the source.",
                other=other.display_name, start=self._day(other.date_from, self.env._("ever")),
                end=self._day(other.date_to, self.env._("open end")),
                maker=other.source or other.create_uid.name, **names),
            key=_conflict_key(other), company=other.company_id, record=other)

    def _day(self, day, otherwise):
        return format_date(self.env, day) if day else otherwise

    # === APPLY === #
    def _apply(self, items):
        prices = _with_ends(self._plan(items))
        items = [item for item in items if item.ok]
        new = [price for price in prices if not price["rate"]]
        self.env["psa.apply.turn"]._take({"rate:{}:{}:{}:{}:{}:{}".format(*price["scope"]) for price in new})
        changes = {
            price["rate"]: values for price in prices
            if price["rate"] and (values := changed_values(price["rate"], _rate_values(price)))}
        made = self._write(changes, [
            {**_rate_values(price), "source": f"{price['item'].connection.name} {price['item'].external_id}"}
            for price in new])
        rates = {price["item"]: rate for price, rate in zip(new, made, strict=True)}
        for item in items:
            item.done(rates.get(item) or item.record)

    def _write(self, changes, vals_list):
        """Change and make rates as one step: in between they may overlap, and work would have no price.

        :param changes: ``{rate: values}``
        :return: the new rates
        """
        Rate = self.env["psa.rate"].with_context(psa_keep_prices=True)
        if not changes and not vals_list:
            return Rate
        changed = Rate.union(*changes)
        entries = changed._priced_entries()
        changed.write({"active": False})
        Rate.flush_model()
        for rate, values in changes.items():
            rate.with_env(Rate.env).write({**values, "active": True})
        Rate.flush_model()
        made = Rate.create(vals_list)
        self.env["psa.entry"].sudo()._reprice(entries | (changed | made)._priced_entries())
        return made.with_env(self.env)


# === PLAIN HELPERS === #
def _conflict_key(rate):
    """Subject of the rates that ``rate`` is in the way of."""
    return f"rate_conflict:{rate.id}"


def _scope_of(rate):
    return tuple(rate[name].id for name in _SCOPE_FIELDS)


def _with_ends(prices):
    """Set ``end`` of each price: the day before the next one of its scope begins, or earlier as the source says."""
    following = {}
    for price in sorted(prices, key=lambda price: price["start"], reverse=True):
        next_start = following.get(price["scope"])
        price["end"] = price["stated"]
        if next_start and next_start > price["start"]:
            price["end"] = min(price["stated"], next_start - _DAY)
        following[price["scope"]] = price["start"]
    return prices


def _rate_values(price):
    return {
        **dict(zip(_SCOPE_FIELDS, price["scope"], strict=True)),
        "amount": price["amount"],
        "date_from": False if price["start"] == _EVER else price["start"],
        "date_to": False if price["end"] == _NEVER else price["end"],
        "stated_date_to": False if price["stated"] == _NEVER else price["stated"],
    }
