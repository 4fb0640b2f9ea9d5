from odoo import models
from odoo.exceptions import AccessError
from odoo.tools import format_date, html2plaintext

from ..billing.pricing import decimal_of, plain, round_amount

SECTIONS = [
    ("rate", "Rates"),
    ("line", "Lines"),
    ("cap", "Caps"),
    ("order", "Order and End"),
    ("clause", "Clauses"),
]


class SaleOrder(models.Model):
    """The contract as it is, was or will be on a day."""

    _inherit = "sale.order"

    def _psa_as_of(self, day):
        """Return what is in force on ``day``, with the amendment that each thing comes from.

        :return: list of dicts: ``section`` (a key of :data:`SECTIONS`), ``name``, ``value`` (text), ``amount`` (float
            or False), ``amendment_id``, ``clause``
        """
        self.ensure_one()
        order = self.sudo()
        amendments = order.psa_amendment_ids._been_in_force().sorted(
            lambda amendment: (amendment.date_effective, amendment.number))
        return [
            *order._psa_rates_as_of(day),
            *order._psa_lines_as_of(day, amendments),
            *order._psa_caps_as_of(day, amendments),
            *order._psa_order_fields_as_of(day, amendments),
            *order._psa_clauses_as_of(day, amendments),
        ]

    def _psa_check_readable(self):
        """Let the hub's users read the terms of their companies' contracts, whatever they may do in Sales.

        :raise AccessError: for everyone else
        """
        self.env["psa.entry"].check_access("read")
        if self.sudo().company_id - self.env.companies:
            raise AccessError(self.env._("This contract belongs to a company that you do not work in."))

    def _psa_rates_as_of(self, day):
        """The contract's own rates, then those of customer and company that fill the gaps, most specific first."""
        Rate = self.env["psa.rate"]
        rates = Rate.search([
            ("company_id", "=", self.company_id.id), ("currency_id", "=", self.currency_id.id),
            "|", ("order_id", "=", self.id),
            "&", ("order_id", "=", False),
            "|", ("partner_id", "=", False),
            ("partner_id.commercial_partner_id", "=", self.partner_id.commercial_partner_id.id),
            "|", ("date_from", "=", False), ("date_from", "<=", day),
            "|", ("date_to", "=", False), ("date_to", ">=", day),
        ])
        order = [scope for scope, _label in Rate._fields["scope"].selection]
        labels = dict(Rate._fields["scope"]._description_selection(self.env))
        return [
            {
                "section": "rate",
                "name": " / ".join(
                    record.name for record in (rate.project_id, rate.employee_id, rate.role_id) if record
                ) or self.env._("Everyone"),
                "value": f"{labels[rate.scope]}, {rate.card_id.name}" if rate.card_id else labels[rate.scope],
                "amount": rate.amount,
                "amendment_id": rate.amendment_id.id,
                "clause": rate.clause or rate.amendment_id.clause,
            }
            for rate in rates.sorted(lambda rate: (order.index(rate.scope), rate.id))
        ]

    def _psa_lines_as_of(self, day, amendments):
        """Today's lines, with what amendments of later days changed taken back."""
        changes = amendments.filtered("applied_at").line_change_ids.filtered("applied_line_id")
        rows = []
        for line in self.psa_line_ids.filtered(lambda line: line.psa_billing_method != "adjustment"):
            own = changes.filtered(lambda change, line=line: change.applied_line_id == line)
            later = own.filtered(lambda change: change.amendment_id.date_effective > day)
            if any(not change.order_line_id for change in later):
                continue
            quantity = line.product_uom_qty - sum(later.mapped("quantity_delta"))
            price = line.price_unit - sum(later.mapped("price_delta"))
            if "psa_price_ids" in line._fields and line.psa_price_ids:
                # Prices by the period keep their own dates.
                latest = line.psa_price_ids.filtered(lambda change: change.date_from <= day).sorted("date_from")[-1:]
                price = latest.price_unit if latest else line.price_unit
            source = (own - later).sorted(
                lambda change: (change.amendment_id.date_effective, change.amendment_id.number))[-1:]
            rows.append({
                "section": "line",
                "name": line.name.partition("\n")[0],
                "value": f"{plain(quantity)} x {self.currency_id.format(price)}",
                "amount": quantity * price * (1 - (line.discount or 0.0) / 100),
                "amendment_id": source.amendment_id.id,
                "clause": source._clause() if source else False,
            })
        return rows

    def _psa_caps_as_of(self, day, amendments):
        if "psa.cap" not in self.env:
            return []
        changes = amendments.filtered("applied_at").cap_change_ids
        rows = []
        # The customer's order is told below.
        for cap in self.env["psa.cap"].search([("order_id", "=", self.id), ("kind", "!=", "purchase_order")]):
            own = changes.filtered(lambda change, cap=cap: change.cap_ref == cap)
            later = own.filtered(lambda change: change.amendment_id.date_effective > day)
            hours = cap.quantity_limit - sum(later.mapped("cap_hours_delta"))
            source = (own - later).sorted(
                lambda change: (change.amendment_id.date_effective, change.amendment_id.number))[-1:]
            rows.append({
                "section": "cap",
                "name": cap.display_name,
                "value": self.env._("%s h", plain(hours)) if hours else "",
                "amount": cap.amount_limit - sum(later.mapped("cap_amount_delta")),
                "amendment_id": source.amendment_id.id,
                "clause": source._clause() if source else False,
            })
        return rows

    def _psa_order_fields_as_of(self, day, amendments):
        """The value of the latest version that says something about it; before the first one, what stood there then."""
        rows = []
        for name, target in amendments._ORDER_FIELDS.items():
            saying = amendments.filtered(lambda amendment, name=name: amendment.applied_at and amendment[name])
            known = saying.filtered(lambda amendment: amendment.date_effective <= day)[-1:]
            present = target in self._fields
            if known and (known != saying[-1:] or not present):
                value = known[name]
            elif saying and not known:
                value = (saying.sorted("applied_at")[0].before or {}).get(name)
            else:
                value = present and self[target]
            if not value:
                continue
            field = amendments._fields[name]
            if field.type == "date":
                value = format_date(self.env, value)
            rows.append({
                "section": "order",
                "name": self._psa_order_label(name),
                "value": "" if field.type == "monetary" else value,
                "amount": value if field.type == "monetary" else False,
                "amendment_id": known.id,
                "clause": known.clause,
            })
        return rows

    def _psa_order_label(self, name):
        return {
            "purchase_order": self.env._("Customer's order number"),
            "purchase_order_amount": self.env._("Customer's order amount"),
            "purchase_order_expiry": self.env._("Customer's order expires on"),
            "date_end": self.env._("Contract ends on"),
        }[name]

    def _psa_clauses_as_of(self, day, amendments):
        rows = [
            {
                "section": "clause",
                "name": amendment.clause or amendment.name,
                "value": amendment.terms,
                "amount": False,
                "amendment_id": amendment.id,
                "clause": amendment.clause,
            }
            for amendment in amendments if amendment.terms and amendment.date_effective <= day
        ]
        if note := html2plaintext(self.note or "").strip():
            rows.insert(0, {
                "section": "clause", "name": self.env._("Terms of the contract"), "value": note, "amount": False,
                "amendment_id": False, "clause": False,
            })
        return rows


class PsaEntry(models.Model):
    """What entries would be worth under the version of another day. Nothing is changed by asking."""

    _inherit = "psa.entry"

    def _worth_under(self, day):
        """Return ``{entry id: appraised row}`` of these under the contract as of ``day``. Constant number of queries.

        Hours are priced at the rates of that day; what contract or source state as an amount is worth that.
        """
        result = {}
        for kind, entries in self.filtered(lambda entry: entry.kind != "adjustment").grouped("kind").items():
            rows = self._rows(kind, [{**entry._as_spec(), "work_date": day} for entry in entries])
            for row, entry in zip(rows, entries, strict=True):
                row["entry"] = entry
            self._appraise(rows)
            agreed = self._agreed_under(day, entries) if kind in ("fee", "milestone") else {}
            for row, entry in zip(rows, entries, strict=True):
                row["gross"] = agreed.get(entry.id, row["gross"])
                result[entry.id] = row
        return result

    def _agreed_under(self, day, entries):
        """Return ``{entry id: worth}`` of fees and milestones whose line has another price on ``day``."""
        changes = self.env["psa.amendment.change"].search([("applied_line_id", "in", entries.order_line_id.ids)])
        result = {}
        for entry in entries:
            line = entry.order_line_id
            own = changes.filtered(lambda change, line=line: change.applied_line_id == line and change.order_line_id)
            # Up to which day the changes count that the entry has now, and up to which day they would.
            now = own if entry.kind == "fee" else own.filtered(
                lambda change, entry=entry: change.amendment_id.date_effective <= entry.work_date)
            then = own.filtered(lambda change: change.amendment_id.date_effective <= day)
            if now == then:
                continue
            price = line.price_unit - sum((own - then).mapped("price_delta"))
            quantity = entry.source_quantity
            if entry.kind == "fee":
                quantity = line.product_uom_qty - sum((own - then).mapped("quantity_delta"))
            exact = decimal_of(quantity) * decimal_of(price) * (1 - decimal_of(line.discount) / 100)
            result[entry.id] = round_amount(exact, entry.currency_id)
        return result
