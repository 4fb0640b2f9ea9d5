from decimal import Decimal

from odoo import fields, models

from .entry_kinds import DERIVED, SOURCE_FIELDS, id_of
from .pricing import decimal_of, quantity_of

# Methods of a contract line whose time is billed by the hour, and those whose price covers the time on them.
HOURLY_METHODS = ("time_material", "retainer", "prepaid")
COVERING_METHODS = ("fixed_fee", "milestone", "progress", "recurring")


class PsaEntry(models.Model):
    """Reading what a source record says: completed from contract and line into plain rows."""

    _inherit = "psa.entry"

    # === READING THE SPECS === #
    def _rows(self, kind, specs):
        """Return the specs completed from contract and line: plain ids, Decimals, what Odoo knows already."""
        orders = {
            order.id: {
                "order_id": order.id,
                "company_id": order.company_id.id,
                "currency_id": order.currency_id.id,
                "partner_id": order.partner_id.commercial_partner_id.id,
            }
            for order in self.env["sale.order"].browse({id_of(spec["order_id"]) for spec in specs})
        }
        lines = self._lines_by_order(kind, orders)
        hour, unit = self.env.ref("uom.product_uom_hour").id, self.env.ref("uom.product_uom_unit").id
        employees = self.env["hr.employee"].browse({id_of(spec.get("employee_id")) for spec in specs} - {None})
        role_by_employee = {employee.id: employee.psa_role_id.id for employee in employees}
        excluded_projects = set(self.env["project.project"].browse(
            {id_of(spec.get("project_id")) for spec in specs} - {None}
        ).filtered("psa_excluded_from_billing").ids)
        rows = []
        for spec in specs:
            order = orders[id_of(spec["order_id"])]
            project_id, employee_id = id_of(spec.get("project_id")), id_of(spec.get("employee_id"))
            row = {
                **order,
                "kind": kind,
                "source_id": spec["source"].id,
                "source": spec["source"],
                "project_id": project_id,
                "employee_id": employee_id,
                "role_id": id_of(spec.get("role_id")),
                "work_date": fields.Date.to_date(spec["work_date"]),
                "source_quantity": quantity_of(spec.get("quantity")),
                "quantity": quantity_of(spec.get("quantity")),
                "fixed": None if spec.get("fixed_amount") is None else decimal_of(spec["fixed_amount"]),
                "source_currency_id": id_of(spec.get("currency_id")),
                "source_amount": float(spec.get("source_amount") or spec.get("fixed_amount") or 0),
                "description": (spec.get("description") or "")[:500],
                "message_id": id_of(spec.get("message_id")),
                "uom_id": hour if kind == "time" else unit,
                "approved": spec.get("approved", True),
                "billable": spec.get("billable", True),
                "deleted": spec.get("deleted", False),
                "blocked": spec.get("source_blocked") or "",
                "standing": spec.get("standing"),
                "project_excluded": project_id in excluded_projects,
            }
            line = self._line_of(row, id_of(spec.get("order_line_id")), lines[row["order_id"]])
            row["order_line_id"] = line["id"] if line else None
            row["method"] = line["method"] if line else None
            if spec.get("role_id") is not False:
                row["role_id"] = (
                    row["role_id"] or (line and line["role_id"]) or role_by_employee.get(employee_id) or None)
            self._complete_quantity(row, line)
            rows.append(row)
        return rows

    def _lines_by_order(self, kind, orders):
        """Return ``{order id: [line dict]}`` in contract order, expense lines made where they are needed."""
        Line = self.env["sale.order.line"]
        found = Line.search([("order_id", "in", list(orders)), ("display_type", "=", False)])
        if kind == "expense":
            found |= Line._psa_ensure_expense_lines(
                self.env["sale.order"].browse(set(orders) - set(
                    found.filtered(lambda line: line.psa_billing_method == "expense").order_id.ids)))
        lines = {order_id: [] for order_id in orders}
        for line in found:
            lines[line.order_id.id].append({
                "id": line.id,
                "method": line.psa_billing_method or (
                    "time_material" if line.qty_delivered_method == "timesheet" else None),
                "role_id": line.psa_role_id.id,
                "line": line,
            })
        return lines

    def _line_of(self, row, line_id, lines):
        """Return the contract line that bills ``row``: the one named, else the first that fits."""
        if row["kind"] == "fee":
            line_id = row["source_id"]
        elif row["kind"] == "milestone" and not line_id:
            line_id = row["source"].sale_line_id.id
        if line_id:
            return next((line for line in lines if line["id"] == line_id), None)
        if row["kind"] != "time":
            return next((line for line in lines if line["method"] == row["kind"]), None)
        hourly = sorted(
            (line for line in lines if line["method"] in HOURLY_METHODS),
            key=lambda line: HOURLY_METHODS.index(line["method"]))
        for line in hourly:
            if row["role_id"] and line["role_id"] == row["role_id"]:
                return line
        fees = [line for line in lines if line["method"] in COVERING_METHODS]
        return (hourly or fees or [None])[0]

    def _complete_quantity(self, row, line):
        """Fill quantity and agreed amount that the contract line knows better than the source.

        A milestone's quantity is its share of the line, so that Odoo's delivered and invoiced quantities agree.
        """
        if row["kind"] == "time":
            return
        order_line = line and line["line"]
        if row["kind"] == "fee" and order_line:
            row["quantity"] = quantity_of(order_line.product_uom_qty)
            row["uom_id"] = order_line.product_uom_id.id
            if row["fixed"] is None:
                discount = 1 - decimal_of(order_line.discount) / 100
                row["fixed"] = row["quantity"] * decimal_of(order_line.price_unit) * discount
        elif row["kind"] == "milestone" and order_line and row["source"].sale_line_id == order_line:
            share = decimal_of(row["source"].quantity_percentage) * decimal_of(order_line.product_uom_qty)
            row["quantity"] = quantity_of(share) or row["quantity"]
            row["uom_id"] = order_line.product_uom_id.id
            if row["fixed"] is None:
                row["fixed"] = row["quantity"] * decimal_of(order_line.price_unit)
        row["fixed"] = row["fixed"] or Decimal(0)
        row["quantity"] = abs(row["quantity"] or Decimal(1)).copy_sign(row["fixed"])
        row["source_quantity"] = row["quantity"]

    def _source_record(self):
        """Return what this entry stands for; empty once that is gone."""
        return self[SOURCE_FIELDS[self.kind]]

    def _as_spec(self):
        """Return the spec that this entry was made of, as far as it is kept."""
        self.ensure_one()
        derived = self.reason in DERIVED
        return {
            "source": self._source_record(),
            "order_id": self.order_id,
            "order_line_id": self.order_line_id,
            "project_id": self.project_id,
            "employee_id": self.employee_id,
            "role_id": self.role_id,
            "work_date": self.work_date,
            "quantity": self.source_quantity,
            "fixed_amount": None if self.kind == "time" else self.agreed_amount,
            "currency_id": self.source_currency_id,
            "source_amount": self.source_amount,
            "description": self.description,
            "message_id": self.message_id,
            "approved": derived or bool(self.approved_at),
            "standing": None if derived else (self.state, self.reason or None),
        }
