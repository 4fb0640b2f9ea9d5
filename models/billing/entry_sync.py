from odoo import api, fields, models
from odoo.exceptions import AccessError

from .bulk import insert_rows
from .entry_kinds import HUSH, SOURCE_FIELDS


class PsaEntry(models.Model):
    """From source records to priced entries: set-oriented, once per record."""

    _inherit = "psa.entry"

    # === ENTRY POINT === #
    @api.model
    def _sync(self, kind, specs):
        """Create, update or withdraw the entries of source records, in the caller's transaction.

        What is on no invoice is simply brought up to date. What is on one stays as it is: the difference becomes a
        pending change with an exception (:meth:`_keep_pending`).

        :param kind: a key of :data:`~.entry_kinds.SOURCE_FIELDS`
        :param specs: list of dicts: ``source`` (record), ``order_id``, ``order_line_id`` (or None), ``project_id``,
            ``employee_id``, ``role_id`` (None: the line's or the person's; False: it cannot be known), ``work_date``
            (date), ``quantity`` (Decimal: hours or units),
            ``currency_id`` (of the source; None: the contract's), ``fixed_amount`` (Decimal in the contract's
            currency, None: hours at a rate), ``approved``, ``billable``, ``deleted`` (the source removed it),
            ``source_blocked`` (``""``, ``held``, ``excluded`` or ``billed``), ``description``, ``source_amount``,
            ``message_id``. Ids may be ids or single records. Work without a contract is no entry.
        :return: the entries, in the order of ``specs`` (internal work left out)
        """
        self = self.sudo().with_context(**HUSH)
        rows = self._rows(kind, [spec for spec in specs if spec.get("order_id")])
        source_field = self._source_field(kind, rows)
        existing = {
            entry[source_field].id: entry
            for entry in self.search([(source_field, "in", [row["source_id"] for row in rows if row["source_id"]])])
        }
        for row in rows:
            row["entry"] = existing.get(row["source_id"])
        self._decide(rows)
        return self._store(rows, source_field)

    @api.model
    def _source_field(self, kind, rows):
        """Return the field that names the source of new entries of these rows."""
        return SOURCE_FIELDS[kind]

    # === STORING === #
    def _store(self, rows, source_field):
        """Write the decided rows, raise and close exceptions; return the entries in the order of the rows."""
        now = fields.Datetime.now()
        exceptions = self.env["psa.exception"]._raise([
            self._exception_spec(row) for row in rows if row["held_for"] and not self._is_billed(row)
        ])
        to_create, stored, changed, billed = [], [], self.browse(), []
        released = self.env["psa.exception"]
        for row in rows:
            if self._is_billed(row):
                billed.append(row)
                continue
            stored.append(row)
            values = self._values(row, exceptions, now)
            if not row["entry"]:
                values[source_field] = row["source_id"]
                to_create.append((row, values))
                continue
            entry = row["entry"]
            if entry.exception_id.id != values["exception_id"]:
                released |= entry.exception_id
            if entry.exception_id and not values["exception_id"] and values["state"] == "approved":
                values["freed_from_id"] = entry.exception_id.id
            if difference := _difference(entry, values):
                entry.write(difference)
                changed |= entry
        created = self._insert([values for _row, values in to_create], source_field)
        for row, _values in to_create:
            row["entry"] = created[row["source_id"]]
        self._after_store(stored)
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

    def _after_store(self, rows):
        """Let reservations and draws follow what rows came to, now that each of them has an entry.

        :param rows: decided rows whose figures their entries have just taken over
        """

    @api.model
    def _is_billed(self, row):
        return bool(row["entry"]) and row["entry"].billing_state != "to_bill"

    def _values(self, row, exceptions, now):
        """Return the field values of a decided row."""
        exception = exceptions.get(self._exception_key(row)) if row["held_for"] else None
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
            "source_quantity": float(row["source_quantity"]),
            "gross_quantity": float(row["gross_quantity"]),
            "quantity": float(row["quantity"]),
            "uom_id": row["uom_id"],
            "rate": float(row["rate"]),
            "rate_id": row["rate_id"] or False,
            "agreed_amount": float(row["fixed"] or 0),
            "gross_amount": float(row["gross"]),
            "written_down_amount": float(row["written_down"]),
            "drawn_quantity": float(row["drawn_quantity"]),
            "drawn_amount": float(row["drawn"]),
            "over_cap_quantity": float(row["over_cap_quantity"]),
            "over_cap_amount": float(row["over_cap"]),
            "adjusted_amount": float(row["adjusted"]),
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
        priced = row["over_cap"] or row["amount"]
        amount = float(priced) or row["source_amount"]
        currency_id = row["currency_id"] if priced else row["source_currency_id"] or row["currency_id"]
        return self._to_company_currency(amount, currency_id, row["company_id"])

    @api.model
    def _to_company_currency(self, amount, currency_id, company_id):
        company = self.env["res.company"].browse(company_id)
        currency = self.env["res.currency"].browse(currency_id)
        if not amount or currency == company.currency_id:
            return amount
        return currency._convert(amount, company.currency_id, company, fields.Date.context_today(self))

    # === PRICING AGAIN === #
    def _reprice(self, entries):
        """Price unbilled entries again from what they hold (a rate came, went or changed); what can go is released.

        Constant number of queries. An entry keeps its standing (waiting, excluded ...) unless it was held for
        something that may be mended by now.

        :param entries: entries; those on an invoice are left alone
        """
        entries = entries.sudo().filtered(lambda entry: entry.billing_state == "to_bill")
        self._decide_again(entries)

    def _decide_again(self, entries):
        """Decide about entries of any kind together, so that what they share goes by the date of the work."""
        entries = entries.sudo().with_context(**HUSH)
        self = self.sudo().with_context(**HUSH)
        rows = self._rows_again(entries)
        self._decide(rows)
        self._store(rows, None)

    def _rows_again(self, entries):
        """Return the rows of entries from what they hold. What stands on an invoice keeps its price (``frozen``)."""
        result = []
        for kind, of_kind in entries.grouped("kind").items():
            rows = self._rows(kind, [entry._as_spec() for entry in of_kind])
            for row, entry in zip(rows, of_kind, strict=True):
                row["entry"] = entry
                row["frozen"] = self._is_billed(row)
            result += rows
        return result

    def action_retry(self):
        """Look again whether these can be billed now."""
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group("psa_hub.group_operator"):
            raise AccessError(self.env._("Only operators may check entries again."))
        self._reprice(self)
        self._settle_pending()

    def action_waive(self, reason):
        """Give these up: what is on no invoice is excluded for good, what is billed stays billed as it is.

        :param reason: kept by the exception that is waived
        :raise AccessError: as for the waiving of an exception over the same money
        """
        self._check_may_waive()
        entries = self.sudo()
        unbilled = entries.filtered(lambda entry: entry.billing_state == "to_bill")
        unbilled.write({"state": "excluded", "reason": "waived"})
        self._reprice(unbilled)
        (entries - unbilled)._drop_pending()

    def _check_may_waive(self):
        """Refuse unless the user may give these up: as for an exception over the same money."""
        self.check_access("read")
        for company, entries in self.grouped("company_id").items():
            self.env["psa.exception"]._check_may_waive(entries[0].display_name, sum(
                self._to_company_currency(
                    entry.amount + entry.over_cap_amount, entry.currency_id.id, entry.company_id.id)
                for entry in entries
            ), company)


# === PLAIN HELPERS === #
def _difference(entry, values):
    """Return those of ``values`` that ``entry`` does not hold yet."""
    return {
        name: value
        for name, value in values.items()
        if (entry[name].id if entry._fields[name].type == "many2one" else entry[name]) != value
    }
