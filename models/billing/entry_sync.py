from decimal import Decimal

from odoo import api, fields, models

from .bulk import insert_rows
from .pricing import decimal_of, plain, price_fixed, price_hours, quantity_of

# The field that names what an entry stands for, by kind.
SOURCE_FIELDS = {
    "time": "analytic_line_id",
    "expense": "expense_id",
    "milestone": "milestone_id",
    "fee": "fee_line_id",
}
# Reasons that a person or a new rate can lift, and the exception each raises.
HELD_CAUSES = {"missing_rate": "missing_rate", "no_line": "no_contract", "currency_mismatch": "currency_mismatch"}
# Bulk writes: no tracking, no mail.
HUSH = {"tracking_disable": True, "mail_create_nolog": True, "mail_notrack": True, "sale_no_log_for_new_lines": True}


class PsaEntry(models.Model):
    """From source records to priced entries: set-oriented, once per record."""

    _inherit = "psa.entry"

    # === ENTRY POINT === #
    @api.model
    def _sync(self, kind, specs):
        """Create, update or withdraw the entries of source records, in the caller's transaction.

        What is on no invoice is simply brought up to date. What is on one stays as it is: the difference becomes a
        pending change with an exception (:meth:`_keep_pending`).

        :param kind: ``time``, ``expense``, ``milestone`` or ``fee``
        :param specs: list of dicts: ``source`` (record), ``order_id``, ``order_line_id`` (or None), ``project_id``,
            ``employee_id``, ``role_id``, ``work_date`` (date), ``quantity`` (Decimal: hours or units),
            ``currency_id`` (of the source; None: the contract's), ``fixed_amount`` (Decimal in the contract's
            currency, None: hours at a rate), ``approved``, ``billable``, ``deleted`` (the source removed it),
            ``source_blocked`` (``""``, ``held``, ``excluded`` or ``billed``), ``description``, ``source_amount``,
            ``message_id``. Ids may be ids or single records. Work without a contract is no entry.
        :return: the entries, in the order of ``specs`` (internal work left out)
        """
        self = self.sudo().with_context(**HUSH)
        rows = self._rows(kind, [spec for spec in specs if spec.get("order_id")])
        source_field = SOURCE_FIELDS[kind]
        existing = {
            entry[source_field].id: entry
            for entry in self.search([(source_field, "in", [row["source_id"] for row in rows if row["source_id"]])])
        }
        for row in rows:
            row["entry"] = existing.get(row["source_id"])
        self._decide(rows)
        return self._store(rows, source_field)

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
            for order in self.env["sale.order"].browse({_id(spec["order_id"]) for spec in specs})
        }
        lines = self._lines_by_order(kind, orders)
        hour, unit = self.env.ref("uom.product_uom_hour").id, self.env.ref("uom.product_uom_unit").id
        employees = self.env["hr.employee"].browse({_id(spec.get("employee_id")) for spec in specs} - {None})
        role_by_employee = {employee.id: employee.psa_role_id.id for employee in employees}
        excluded_projects = set(self.env["project.project"].browse(
            {_id(spec.get("project_id")) for spec in specs} - {None}
        ).filtered("psa_excluded_from_billing").ids)
        rows = []
        for spec in specs:
            order = orders[_id(spec["order_id"])]
            project_id, employee_id = _id(spec.get("project_id")), _id(spec.get("employee_id"))
            row = {
                **order,
                "kind": kind,
                "source_id": spec["source"].id,
                "source": spec["source"],
                "project_id": project_id,
                "employee_id": employee_id,
                "role_id": _id(spec.get("role_id")),
                "work_date": fields.Date.to_date(spec["work_date"]),
                "quantity": quantity_of(spec.get("quantity")),
                "fixed": None if spec.get("fixed_amount") is None else decimal_of(spec["fixed_amount"]),
                "source_currency_id": _id(spec.get("currency_id")),
                "source_amount": float(spec.get("source_amount") or spec.get("fixed_amount") or 0),
                "description": (spec.get("description") or "")[:500],
                "message_id": _id(spec.get("message_id")),
                "uom_id": hour if kind == "time" else unit,
                "approved": spec.get("approved", True),
                "billable": spec.get("billable", True),
                "deleted": spec.get("deleted", False),
                "blocked": spec.get("source_blocked") or "",
                "standing": spec.get("standing"),
                "project_excluded": project_id in excluded_projects,
            }
            line = self._line_of(row, _id(spec.get("order_line_id")), lines[row["order_id"]])
            row["order_line_id"] = line["id"] if line else None
            row["method"] = line["method"] if line else None
            row["role_id"] = row["role_id"] or (line and line["role_id"]) or role_by_employee.get(employee_id) or None
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
        hourly = [line for line in lines if line["method"] == "time_material"]
        for line in hourly:
            if row["role_id"] and line["role_id"] == row["role_id"]:
                return line
        fees = [line for line in lines if line["method"] in ("fixed_fee", "milestone")]
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

    # === DECIDING === #
    def _decide(self, rows):
        """Set state, reason, rate, amount and trace of every row; one query for all rates."""
        hourly = []
        for row in rows:
            row.update(state="approved", reason=None, amount=Decimal(0), rate=Decimal(0), rate_id=None, trace=None)
            row["state"], row["reason"] = row["standing"] or self._standing(row)
            if row["reason"] == "currency_mismatch":
                continue
            if row["kind"] == "time":
                if row["state"] != "excluded":
                    hourly.append(row)
            else:
                self._price_agreed(row)
        for row, (found, tried) in zip(hourly, self.env["psa.rate"]._find(hourly), strict=True):
            currency = self.env["res.currency"].browse(row["currency_id"])
            if found:
                row["amount"], row["trace"] = price_hours(row["quantity"], found, tried, currency)
                row["rate"], row["rate_id"] = found.amount, found.id
            else:
                row["trace"] = {"rule": "hours_times_rate", "hours": plain(row["quantity"]), "tried": tried}
                if row["state"] == "approved":
                    row["state"], row["reason"] = "held", "missing_rate"

    def _price_agreed(self, row):
        currency = self.env["res.currency"].browse(row["currency_id"])
        row["amount"], row["trace"] = price_fixed(row["fixed"], row["kind"], currency)
        row["rate"] = row["amount"] / row["quantity"]

    def _standing(self, row):
        """Return ``(state, reason)`` as far as no rate is needed to tell; the first that applies."""
        entry = row["entry"]
        if row["deleted"]:
            return "withdrawn", "deleted"
        if entry and entry.reason == "waived":
            return "excluded", "waived"
        if not row["billable"]:
            return "excluded", "not_billable"
        if row["blocked"] == "excluded":
            return "excluded", "source_excluded"
        if row["blocked"] == "billed" and not (entry and entry._billed_here()):
            return "excluded", "source_billed"
        if row["project_excluded"]:
            return "excluded", "project_excluded"
        if row["kind"] == "time" and row["method"] in ("fixed_fee", "milestone"):
            return "excluded", "covered"
        if not row["approved"]:
            if entry and (entry.approved_at or entry.reason == "rejected"):
                return "withdrawn", "rejected"
            return "waiting", "not_approved"
        if row["blocked"] == "held":
            return "held", "source_hold"
        if not row["order_line_id"]:
            return "held", "no_line"
        if row["source_currency_id"] and row["source_currency_id"] != row["currency_id"]:
            return "held", "currency_mismatch"
        return "approved", None

    # === STORING === #
    def _store(self, rows, source_field):
        """Write the decided rows, raise and close exceptions; return the entries in the order of the rows."""
        now = fields.Datetime.now()
        exceptions = self.env["psa.exception"]._raise([
            self._exception_spec(row) for row in rows if row["reason"] in HELD_CAUSES and not self._is_billed(row)
        ])
        to_create, changed, billed = [], self.browse(), []
        released = self.env["psa.exception"]
        for row in rows:
            if self._is_billed(row):
                billed.append(row)
                continue
            values = self._values(row, exceptions, now)
            if not row["entry"]:
                values[source_field] = row["source_id"]
                to_create.append((row, values))
                continue
            entry = row["entry"]
            if entry.exception_id.id != values["exception_id"]:
                released |= entry.exception_id
            if difference := _difference(entry, values):
                entry.write(difference)
                changed |= entry
        created = self._insert([values for _row, values in to_create], source_field)
        for row, _values in to_create:
            row["entry"] = created[row["source_id"]]
        changed._mark_proposals()
        released |= self._keep_pending(billed)
        self.env["psa.exception"].union(*exceptions.values())._refresh_amounts()
        released._close_if_released()
        entries = self.browse([row["entry"].id for row in rows])
        entries._follow_delivered()
        return entries

    @api.model
    def _insert(self, vals_list, source_field):
        """Insert new entries in one statement; return ``{source record id: psa.entry}``."""
        inserted = insert_rows(self, [
            {**values, "billing_state": "to_bill", "allocated_quantity": 0, "allocated_amount": 0, "status_sequence": 0}
            for values in vals_list
        ], returning=("id", source_field))
        prefetch = [entry_id for entry_id, _source_id in inserted]
        return {source_id: self.browse(entry_id).with_prefetch(prefetch) for entry_id, source_id in inserted}

    @api.model
    def _is_billed(self, row):
        return bool(row["entry"]) and row["entry"].billing_state != "to_bill"

    def _values(self, row, exceptions, now):
        """Return the field values of a decided row."""
        exception = exceptions.get(_exception_key(row)) if row["reason"] in HELD_CAUSES else None
        entry = row["entry"]
        approved_at = entry.approved_at if entry else False
        if row["state"] == "withdrawn":
            approved_at = False
        elif row["approved"] and not approved_at:
            approved_at = now
        return {
            "company_id": row["company_id"],
            "order_id": row["order_id"],
            "order_line_id": row["order_line_id"] or False,
            "project_id": row["project_id"] or False,
            "partner_id": row["partner_id"],
            "kind": row["kind"],
            "work_date": row["work_date"],
            "employee_id": row["employee_id"] or False,
            "role_id": row["role_id"] or False,
            "description": row["description"],
            "quantity": float(row["quantity"]),
            "uom_id": row["uom_id"],
            "rate": float(row["rate"]),
            "rate_id": row["rate_id"] or False,
            "amount": float(row["amount"]),
            "currency_id": row["currency_id"],
            "state": row["state"],
            "reason": row["reason"] or False,
            "approved_at": approved_at,
            "trace": row["trace"] or False,
            "exception_id": exception.id if exception else False,
            "risk_amount": self._company_risk(row) if exception else 0.0,
            "source_amount": row["source_amount"],
            "source_currency_id": row["source_currency_id"] or row["currency_id"],
            "message_id": row["message_id"] or (entry.message_id.id if entry else False),
            "pending_change": False,
            "pending_quantity": 0.0,
            "pending_amount": 0.0,
            "pending_spec": False,
        }

    def _company_risk(self, row):
        """Return what is at risk while ``row`` is held, in its company's currency: the price, else the source's."""
        amount = float(row["amount"]) or row["source_amount"]
        currency_id = row["currency_id"] if row["amount"] else row["source_currency_id"] or row["currency_id"]
        return self._to_company_currency(amount, currency_id, row["company_id"])

    @api.model
    def _to_company_currency(self, amount, currency_id, company_id):
        company = self.env["res.company"].browse(company_id)
        currency = self.env["res.currency"].browse(currency_id)
        if not amount or currency == company.currency_id:
            return amount
        return currency._convert(amount, company.currency_id, company, fields.Date.context_today(self))

    # === EXCEPTIONS === #
    def _exception_spec(self, row):
        order = self.env["sale.order"].browse(row["order_id"])
        cause, key = _exception_key(row)
        if row["reason"] == "missing_rate":
            person = self.env["hr.employee"].browse(row["employee_id"]).name or self.env._("work without a person")
            role = self.env["psa.role"].browse(row["role_id"]).name or self.env._("no role")
            text = self.env._(
                "No rate for %(person)s (%(role)s) on %(contract)s of %(customer)s on %(date)s",
                person=person, role=role, contract=order.name, customer=order.partner_id.name, date=row["work_date"],
            )
        elif row["reason"] == "no_line":
            label = dict(self._fields["kind"]._description_selection(self.env))[row["kind"]]
            text = self.env._(
                "The contract %(contract)s of %(customer)s has no line that bills this: %(kind)s",
                contract=order.name, customer=order.partner_id.name, kind=label,
            )
        else:
            text = self.env._(
                "%(contract)s of %(customer)s is in %(currency)s, but work on it came in %(other)s",
                contract=order.name, customer=order.partner_id.name, currency=order.currency_id.name,
                other=self.env["res.currency"].browse(row["source_currency_id"]).name,
            )
        return {
            "cause": cause,
            "subject_key": key,
            "text": text,
            "company_id": row["company_id"],
            "res_model": "sale.order",
            "res_id": row["order_id"],
            "order_id": row["order_id"],
            "partner_id": row["partner_id"],
            "project_id": row["project_id"],
        }

    # === PRICING AGAIN === #
    def _reprice(self, entries):
        """Price unbilled entries again from what they hold (a rate came, went or changed); what can go is released.

        Constant number of queries. An entry keeps its standing (waiting, excluded ...) unless it was held for
        something that may be mended by now.

        :param entries: entries; those on an invoice are left alone
        """
        entries = entries.sudo().with_context(**HUSH).filtered(lambda entry: entry.billing_state == "to_bill")
        for kind, of_kind in entries.grouped("kind").items():
            rows = self._rows(kind, [entry._as_spec() for entry in of_kind])
            for row, entry in zip(rows, of_kind, strict=True):
                row["entry"] = entry
            self._decide(rows)
            self._store(rows, SOURCE_FIELDS[kind])

    def _as_spec(self):
        """Return the spec that this entry was made of, as far as it is kept."""
        self.ensure_one()
        mendable = self.reason in HELD_CAUSES
        if self.kind == "time":
            fixed = None
        else:
            fixed = self.source_amount if self.reason == "currency_mismatch" else self.amount
        return {
            "source": self[SOURCE_FIELDS[self.kind]],
            "order_id": self.order_id,
            "order_line_id": self.order_line_id,
            "project_id": self.project_id,
            "employee_id": self.employee_id,
            "role_id": self.role_id,
            "work_date": self.work_date,
            "quantity": self.quantity,
            "fixed_amount": fixed,
            "currency_id": self.source_currency_id,
            "source_amount": self.source_amount,
            "description": self.description,
            "message_id": self.message_id,
            "approved": mendable or bool(self.approved_at),
            "standing": None if mendable else (self.state, self.reason or None),
        }

    def action_retry(self):
        """Look again whether these can be billed now."""
        self.check_access("read")
        self._reprice(self)
        self._settle_pending()

    def action_waive(self, reason):
        """Give these up: what is on no invoice is excluded for good, what is billed stays billed as it is.

        :param reason: kept by the exception that is waived
        """
        entries = self.sudo()
        unbilled = entries.filtered(lambda entry: entry.billing_state == "to_bill")
        unbilled.write({"state": "excluded", "reason": "waived", "exception_id": False, "risk_amount": 0.0})
        unbilled._mark_proposals()
        (entries - unbilled)._drop_pending()


# === PLAIN HELPERS === #
def _id(value):
    """Return the id of a single record, an id, or None."""
    if not value:
        return None
    return value if isinstance(value, int) else value.id


def _exception_key(row):
    """Return ``(cause, subject key)``: what is missing once is one exception, however much waits for it."""
    cause = HELD_CAUSES[row["reason"]]
    if row["reason"] == "missing_rate":
        return cause, f"rate:{row['order_id']}:{row['employee_id'] or 0}:{row['role_id'] or 0}"
    if row["reason"] == "no_line":
        return cause, f"line:{row['order_id']}:{row['kind']}"
    return cause, f"currency:{row['order_id']}:{row['source_currency_id']}"


def _difference(entry, values):
    """Return those of ``values`` that ``entry`` does not hold yet."""
    return {
        name: value
        for name, value in values.items()
        if (entry[name].id if entry._fields[name].type == "many2one" else entry[name]) != value
    }
