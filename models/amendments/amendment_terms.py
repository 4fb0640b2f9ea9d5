from collections import defaultdict

from odoo import fields, models

from ..billing.entry_kinds import HUSH
from ..billing.pricing import decimal_of
from .amendment_change import PRODUCTS

# Lines that charge by the period: their price has a history of its own, their quantity is for all periods.
_PERIODIC = ("recurring", "retainer")
# Field of the change -> limit of the cap.
CAP_LIMITS = {"cap_amount_delta": "amount_limit", "cap_hours_delta": "quantity_limit"}


class PsaAmendment(models.Model):
    """What an amendment does to lines, caps, the customer's order and the contract's end."""

    _inherit = "psa.amendment"

    # Field of the amendment -> field of the contract.
    _ORDER_FIELDS = {
        "purchase_order": "psa_purchase_order",
        "purchase_order_amount": "psa_purchase_order_amount",
        "purchase_order_expiry": "psa_purchase_order_expiry",
        "date_end": "psa_date_end",
    }

    def _apply_terms(self):
        """Apply everything that has no dates of its own; the effective day has come.

        :return: ``{psa.entry: changes of its spec}`` of entries whose agreed amount follows
        """
        self.ensure_one()
        order = self.order_id
        locked = order.locked
        order.locked = False
        changed = self._apply_lines()
        self._apply_caps()
        self._apply_order_fields()
        order.locked = locked
        self.applied_at = fields.Datetime.now()
        return changed

    # === LINES === #
    def _apply_lines(self):
        changes = self.line_change_ids.filtered(lambda change: not change.applied_line_id)
        if not changes:
            return {}
        old = changes.filtered("order_line_id")
        entries = self.env["psa.entry"].search([
            ("order_line_id", "in", old.order_line_id.ids), ("kind", "in", ("fee", "milestone")),
            ("state", "!=", "withdrawn"),
        ]).grouped("order_line_id")
        specs = {}
        for change in old:
            line_entries = entries.get(change.order_line_id, self.env["psa.entry"])
            price_before = decimal_of(change.order_line_id.price_unit)
            change._check_line(line_entries)
            change._apply_line()
            specs.update(change._agreed_again(line_entries, price_before))
        for change in changes - old:
            change.applied_line_id = self.env["sale.order.line"].with_context(**HUSH).create(change._prepare_line())
        self._bill_new_fees((changes - old).applied_line_id)
        return specs

    def _bill_new_fees(self, lines):
        """A fee that an amendment adds is due on its effective day."""
        self.env["psa.entry"]._sync("fee", [
            {
                "source": line,
                "order_id": self.order_id.id,
                "order_line_id": line.id,
                "work_date": self.date_effective,
                "description": line.name,
            }
            for line in lines if line.psa_billing_method == "fixed_fee"
        ])

    # === CAPS === #
    def _apply_caps(self):
        """Raise or lower caps; what waits for the room is looked at again by the caller."""
        deltas = defaultdict(lambda: dict.fromkeys(CAP_LIMITS.values(), 0.0))
        for change in self.cap_change_ids:
            for name, limit in CAP_LIMITS.items():
                deltas[change.cap_ref][limit] += change[name]
        for cap, delta in deltas.items():
            values = {limit: cap[limit] + more for limit, more in delta.items() if more}
            if any(value < 0 for value in values.values()):
                self._refuse_to_apply(self.env._("%s would be less than nothing.", cap.display_name))
            cap.sudo().write(values)

    # === THE CUSTOMER'S ORDER AND THE END === #
    def _apply_order_fields(self):
        """Write what changes; a version agreed on earlier for a later day keeps the last word.

        What stood there before is kept, for the contract as of an earlier day.
        """
        order, before, values = self.order_id, {}, {}
        later = order.psa_amendment_ids.filtered(lambda other: (
            other.applied_at and (other.date_effective, other.number) > (self.date_effective, self.number)))
        for name, target in self._ORDER_FIELDS.items():
            if not self[name] or target not in order._fields:
                continue
            old = order[target]
            before[name] = fields.Date.to_string(old) if old and order._fields[target].type == "date" else old
            if not any(other[name] for other in later):
                values[target] = self[name]
        self.before = before or False
        if values:
            order.write(values)

    # === WHEN THE DAY COMES === #
    def _due(self):
        """Return those whose effective day has come and whose terms are not applied yet."""
        today = fields.Date.context_today(self)
        return self._been_in_force().filtered(
            lambda amendment: not amendment.applied_at and amendment.date_effective <= today)


class PsaAmendmentChange(models.Model):
    """What one change does to a contract line."""

    _inherit = "psa.amendment.change"

    def _check_line(self, entries):
        """Refuse what the line cannot become.

        :param entries: fees and milestones of the line
        """
        line = self.order_line_id
        if line.product_uom_qty + self.quantity_delta < 0 or line.price_unit + self.price_delta < 0:
            self.amendment_id._refuse_to_apply(self.env._("“%s” would be less than nothing.", line.name))
        if not self.quantity_delta:
            return
        if line.psa_billing_method in _PERIODIC:
            self.amendment_id._refuse_to_apply(self.env._(
                "the quantity of “%s” counts for all its periods. Add a line for more, or change its price.",
                line.name))
        if any(entry.kind == "fee" and entry.billing_state != "to_bill" for entry in entries):
            self.amendment_id._refuse_to_apply(self.env._(
                "“%s” is billed already. Change its price, or add a line for what is new.", line.name))

    def _apply_line(self):
        """Change quantity and price; a price by the period gets its own date."""
        line = self.order_line_id.with_context(**HUSH)
        self.write({
            "applied_line_id": line.id, "quantity_before": line.product_uom_qty, "price_before": line.price_unit})
        price = line.price_unit + self.price_delta
        if line.psa_billing_method in _PERIODIC and "psa.line.price" in self.env:
            latest = line.psa_price_ids.filtered(
                lambda change: change.date_from <= self.amendment_id.date_effective).sorted("date_from")[-1:]
            self.env["psa.line.price"].create({
                "order_line_id": line.id,
                "date_from": self.amendment_id.date_effective,
                "price_unit": (latest.price_unit if latest else line.price_unit) + self.price_delta,
                "reason": self.amendment_id.display_name,
            })
            return
        # Quantity and price in one write: Odoo would take the list price for a new quantity.
        line.write({
            "product_uom_qty": line.product_uom_qty + self.quantity_delta,
            "price_unit": price,
            "technical_price_unit": 0.0,
        })

    def _agreed_again(self, entries, price_before):
        """Return ``{entry: spec changes}`` of entries whose amount is the line's own, not one that a source stated.

        A fee is the line's whole price, whenever it is due. A milestone counts by the version of its day.
        """
        line, specs = self.order_line_id, {}
        discount = 1 - decimal_of(line.discount) / 100
        for entry in entries:
            if entry.kind == "fee":
                specs[entry] = {
                    "quantity": line.product_uom_qty,
                    "fixed_amount": decimal_of(line.product_uom_qty) * decimal_of(line.price_unit) * discount,
                }
                continue
            quantity = decimal_of(entry.source_quantity)
            stated = decimal_of(entry.agreed_amount) != quantity * price_before
            if not stated and entry.work_date >= self.amendment_id.date_effective:
                specs[entry] = {"fixed_amount": quantity * decimal_of(line.price_unit)}
        return specs

    def _prepare_line(self):
        """Return the values of the new contract line."""
        product = self.env.ref(f"psa_hub.product_{PRODUCTS[self.billing_method]}")
        return {
            "order_id": self.order_id.id,
            "product_id": product.id,
            "name": self.name,
            "product_uom_qty": self.quantity_delta,
            "price_unit": self.price_delta,
            "technical_price_unit": 0.0,
            "psa_billing_method": self.billing_method,
            "psa_role_id": self.role_id.id,
        }
