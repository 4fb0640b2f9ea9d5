from decimal import Decimal

from odoo import models
from odoo.tools import format_amount

from ..odoo.sale_order_line import BILLING_METHODS
from .tools import changed_values, currencies_by_code, join_names, share_prefetch, write_grouped

_METHODS = {method for method, _label in BILLING_METHODS}


def deal_amount(values):
    """Return the deal's total: what it states, else the sum of its lines; None when it names neither."""
    if values["amount"] is not None:
        return values["amount"]
    lines = values["lines"]
    return sum((line_amount(line) for line in lines), Decimal(0)) if lines else None


def line_amount(line):
    """Return the line's total in the deal's currency."""
    return line["amount"] if line["amount"] is not None else line["quantity"] * line["unit_price"]


def line_method(values, line):
    """Return how ``line`` is billed: its own method, else the deal's; None when neither is named."""
    return line["billing_method"] or values["billing_method"]


class PsaApplyDeal(models.AbstractModel):
    """Won deals -> a confirmed contract (``sale.order``) with project, tasks, rates and fees: all or nothing, once.

    A deal that needs a signature becomes a quotation with all its terms, confirmed when it is signed.

    A deal that lacks a commercial term is held with all that is missing in one sentence. A deal that changes after it
    became a contract updates what is harmless (name, order number, owner); other terms of money are held as
    ``contract_changed``: a contract changes through an amendment, never behind people's backs.
    """

    _name = "psa.apply.deal"
    _inherit = "psa.apply"
    _description = "Apply Won Deals"
    _canonical_names = {
        "origin": "name", "psa_purchase_order": "purchase_order", "client_order_ref": "purchase_order",
        "user_id": "owner",
    }

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        currencies = currencies_by_code(self.env, {item.values["currency"] for item in items})
        for item in items:
            if not item.ok:
                continue
            if item.record:
                self._check_unchanged(item)
            elif not item.values["won"]:
                item.skip("out_of_scope")
            else:
                self._check_terms(item, currencies.get(item.values["currency"]))

    def _risk(self, items):
        for item in items:
            if item.values.get("currency"):
                item.risk(deal_amount(item.values), item.values["currency"])

    # === COMPLETE TERMS === #
    def _check_terms(self, item, currency):
        missing = self._missing_terms(item)
        wrong = self._wrong_terms(item, currency)
        if not missing and not wrong:
            return
        sentences = []
        if missing:
            sentences.append(self.env._(
                "The deal “%(deal)s” does not name %(terms)s.",
                deal=item.values["name"], terms=join_names(missing, self.env._("and")),
            ))
            owner = item.parents.get("owner")
            sentences.append(
                self.env._("Ask the owner, %s, to fill this in.", owner.name) if owner
                else self.env._("Ask the owner of the deal to fill this in.")
            )
        sentences += wrong
        item.hold(
            "incomplete_terms", " ".join(sentences), key=item.key,
            amount=deal_amount(item.values), currency=item.values["currency"],
            company=item.values["company"] or None, record=item.parents["party"],
        )

    def _missing_terms(self, item):
        """Return the names of the commercial terms that the deal leaves open."""
        values = item.values
        missing = []
        if not values["closed_on"]:
            missing.append(self.env._("the day it was won"))
        if not values["company"]:
            missing.append(self.env._("its legal entity"))
        if not values["payment_term"]:
            missing.append(self.env._("its payment terms"))
        if not values["tax_profile"]:
            missing.append(self.env._("its tax profile"))
        if not values["project_template"]:
            missing.append(self.env._("its project template"))
        if not values["lines"]:
            missing.append(self.env._("what is sold (it has no lines)"))
        elif unnamed := [line["name"] for line in values["lines"] if not line_method(values, line)]:
            if len(unnamed) == len(values["lines"]):
                missing.append(self.env._("its billing method"))
            else:
                missing.append(self.env._(
                    "the billing method of %s", join_names([f"“{name}”" for name in unnamed], self.env._("and"))
                ))
        return missing

    def _wrong_terms(self, item, currency):
        """Return one sentence for each term that is named but cannot hold."""
        values = item.values
        wrong = [
            self.env._("The hub does not know the billing method “%s”. Correct its value map.", method)
            for method in sorted({line_method(values, line) for line in values["lines"] or []} - {None} - _METHODS)
        ]
        if not currency or not currency.active:
            wrong.append(self.env._("The currency %s is not switched on in Odoo.", values["currency"]))
        elif values["lines"]:
            wrong += self._wrong_amounts(values, currency)
        if values["company"]:
            for term in ("payment_term", "tax_profile", "project_template"):
                owner = values[term].company_id if values[term] and not isinstance(values[term], str) else None
                if owner and owner not in values["company"].parent_ids:
                    wrong.append(self.env._(
                        "“%(term)s” belongs to %(owner)s, not to %(company)s, which sells this deal.",
                        term=values[term].display_name, owner=owner.name, company=values["company"].name,
                    ))
        return wrong

    def _wrong_amounts(self, values, currency):
        wrong = []
        for line in values["lines"]:
            product = line["quantity"] * line["unit_price"]
            if currency.compare_amounts(float(line_amount(line)), float(product)):
                wrong.append(self.env._(
                    "The line “%(line)s” says %(amount)s, but its quantity and price make %(product)s.",
                    line=line["name"], amount=self._money(line_amount(line), currency),
                    product=self._money(product, currency),
                ))
        total = sum(
            (Decimal(str(currency.round(float(line["quantity"] * line["unit_price"])))) for line in values["lines"]),
            Decimal(0),
        )
        if values["amount"] is not None and currency.compare_amounts(float(values["amount"]), float(total)):
            wrong.append(self.env._(
                "The deal “%(deal)s” says %(amount)s, but its lines add up to %(total)s.",
                deal=values["name"], amount=self._money(values["amount"], currency), total=self._money(total, currency),
            ))
        return wrong

    def _money(self, amount, currency):
        return format_amount(self.env, float(amount), currency)

    # === CHANGES AFTER THE CONTRACT === #
    def _source_terms(self, item):
        """Return the terms of money that the deal names, JSON-ready and comparable."""
        values = item.values
        return {
            "party": item.parents["party"].id,
            "currency": values["currency"],
            "amount": _plain(deal_amount(values)),
            "company": values["company"].id if values["company"] else False,
            "payment_term": values["payment_term"].id if values["payment_term"] else False,
            "tax_profile": self._code_or_id(values["tax_profile"]),
            "lines": sorted(
                [
                    line["external_id"], line_method(values, line) or "", line["role"].id if line["role"] else False,
                    _plain(line["quantity"]), _plain(line["unit_price"]),
                ]
                for line in values["lines"] or []
            ),
        }

    def _code_or_id(self, value):
        return value if isinstance(value, str) else (value.id if value else False)

    def _check_unchanged(self, item):
        """Hold a bound deal whose terms of money are not those that the contract was made of."""
        order = item.record
        before = order.psa_source_terms or {}
        after = self._source_terms(item)
        labels = {
            "party": self.env._("its customer"), "currency": self.env._("its currency"),
            "amount": self.env._("its amount"), "company": self.env._("its legal entity"),
            "payment_term": self.env._("its payment terms"), "tax_profile": self.env._("its tax profile"),
            "lines": self.env._("its lines"),
        }
        changed = [label for name, label in labels.items() if before and before.get(name) != after[name]]
        if not item.values["won"] and order.state == "cancel":
            return
        if not item.values["won"] and order.psa_start:
            text = self.env._(
                "The deal “%(deal)s” is no longer won, but its contract %(contract)s still waits for its signature. "
                "Cancel the contract in Odoo, or win the deal again.",
                deal=item.values["name"], contract=order.name,
            )
        elif not item.values["won"]:
            text = self.env._(
                "The deal “%(deal)s” is no longer won, but its contract %(contract)s is in force. "
                "Cancel the contract in Odoo, or win the deal again.",
                deal=item.values["name"], contract=order.name,
            )
        elif changed:
            text = self.env._(
                "The deal “%(deal)s” changed %(terms)s after it became the contract %(contract)s. "
                "The contract stays as it was agreed: amend it in Odoo, or set the deal back at the source.",
                deal=item.values["name"], terms=join_names(changed, self.env._("and")), contract=order.name,
            )
        else:
            return
        item.hold(
            "contract_changed", text, key=item.key, amount=self._difference(item, before),
            currency=item.values["currency"], company=order.company_id, record=order,
        )

    def _difference(self, item, before):
        """Return the money in doubt: the change of the amount, or the whole deal when something else changed."""
        amount = deal_amount(item.values) or Decimal(0)
        if not item.values["won"] or before.get("currency") != item.values["currency"]:
            return amount
        return abs(amount - Decimal(before.get("amount") or 0)) or amount

    # === APPLY === #
    def _apply(self, items):
        new = [item for item in items if not item.record]
        orders = self.env["psa.apply.contract"]._make(new, {item: self._source_terms(item) for item in new})
        for item in new:
            item.done(orders[item])
        known = [item for item in items if item.record and item.ok]
        write_grouped((item.record, changed_values(item.record, self._harmless_values(item))) for item in known)
        for item in known:
            self._follow_start(item)
            item.done(item.record)

    def _harmless_values(self, item):
        owner = item.parents.get("owner")
        values = {
            "origin": item.values["name"],
            "psa_purchase_order": item.values["purchase_order"] or False,
            "client_order_ref": item.values["purchase_order"] or False,
        }
        if owner:
            values["user_id"] = owner.id
        return self._owned(item, values)

    def _follow_start(self, item):
        """While the contract waits for its signature, what its start needs follows the deal."""
        order, owner = item.record, item.parents.get("delivery_owner")
        if not order.psa_start:
            return
        start = {
            **order.psa_start,
            "name": item.values["name"],
            "project_code": item.values["project_code"],
            "delivery_owner": owner.id if owner else False,
        }
        if start != order.psa_start:
            order.psa_start = start

    def _delete(self, items):
        """The source deleted the deal: a contract that exists stays in force until a person cancels it."""
        for item in items:
            order = item.record
            if not order or order.state == "cancel":
                item.done(order)
                continue
            item.hold(
                "contract_changed",
                self.env._(
                    "The deal of the contract %(contract)s with %(customer)s was deleted at the source. "
                    "Cancel the contract in Odoo, or restore the deal.",
                    contract=order.name, customer=order.partner_id.display_name,
                ),
                key=item.key, amount=order.amount_untaxed, currency=order.currency_id,
                company=order.company_id, record=order,
            )


def _plain(number):
    """Return ``number`` as text that is equal for equal numbers (``10`` and ``10.00``); None stays None."""
    return None if number is None else format(number.normalize(), "f")
