import json
from collections import defaultdict
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import SQL

OPEN_STATES = ("new", "assigned", "waiting_source", "retrying")
CLOSED_STATES = ("resolved", "waived")

# What a person may write directly; everything else changes through the actions, which check rights and are audited.
_WRITABLE = {"user_id", "date_due", "message_follower_ids", "activity_ids", "message_main_attachment_id"}

# How a record that an exception is about leads to the partner, contract and project that show the banner.
_SUBJECT_PATHS = {
    "res.partner": {"partner_id": "commercial_partner_id"},
    "sale.order": {"order_id": "id", "partner_id": "partner_id", "project_id": "project_id"},
    "sale.order.line": {"order_id": "order_id", "partner_id": "order_id.partner_id"},
    "project.project": {"project_id": "id", "partner_id": "partner_id", "order_id": "reinvoiced_sale_order_id"},
    "project.task": {"project_id": "project_id", "partner_id": "partner_id", "order_id": "sale_line_id.order_id"},
    "project.milestone": {"project_id": "project_id", "order_id": "sale_line_id.order_id"},
    "account.analytic.line": {"project_id": "project_id", "partner_id": "partner_id", "order_id": "so_line.order_id"},
    "account.move": {"partner_id": "partner_id"},
    "psa.entry": {"project_id": "project_id", "partner_id": "partner_id", "order_id": "order_id"},
}


class PsaException(models.Model):
    """One thing that keeps work (and money) from going on, with what it costs and who deals with it.

    There is at most one open exception per cause and subject: the database refuses a second one. What it holds up
    points to it (``exception_id``) and carries its own money at risk; ``amount`` is their sum.
    """

    _name = "psa.exception"
    _description = "Exception"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "amount desc, id desc"
    _check_company_auto = True

    # === FIELDS === #
    name = fields.Char("What Happened", required=True, readonly=True)
    cause_id = fields.Many2one("psa.exception.cause", required=True, readonly=True, ondelete="restrict")
    cause_code = fields.Char(related="cause_id.code", store=True)
    category = fields.Selection(related="cause_id.category")
    explanation = fields.Text(related="cause_id.sentence")
    fix_label = fields.Char(related="cause_id.fix_label")
    subject_key = fields.Char(required=True, readonly=True)
    state = fields.Selection(
        [
            ("new", "New"),
            ("assigned", "Assigned"),
            ("waiting_source", "Waiting on Source"),
            ("retrying", "Retrying"),
            ("resolved", "Resolved"),
            ("waived", "Waived"),
        ],
        required=True, readonly=True, default="new", tracking=True,
    )
    is_open = fields.Boolean(compute="_compute_is_open", search="_search_is_open")
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    connection_id = fields.Many2one("psa.connection", readonly=True, index="btree_not_null")
    currency_id = fields.Many2one("res.currency", required=True, readonly=True)
    amount = fields.Monetary(
        "Money at Risk", readonly=True, aggregator="sum",
        help="What cannot be billed or is in doubt until this is solved, in the company's currency.",
    )
    stated_amount = fields.Monetary(
        readonly=True, help="Money named when the exception was raised; counts while nothing waits for the exception.",
    )
    holder_count = fields.Integer("Records Waiting", readonly=True)
    res_model = fields.Char("Record Type", readonly=True)
    res_id = fields.Many2oneReference("Record", model_field="res_model", readonly=True)
    partner_id = fields.Many2one("res.partner", readonly=True, index="btree_not_null")
    order_id = fields.Many2one("sale.order", "Contract", readonly=True, index="btree_not_null")
    project_id = fields.Many2one("project.project", readonly=True, index="btree_not_null")
    first_seen = fields.Datetime(readonly=True, required=True, default=fields.Datetime.now)
    last_seen = fields.Datetime(readonly=True, required=True, default=fields.Datetime.now)
    recurrence_count = fields.Integer("Times Seen", readonly=True, default=1)
    user_id = fields.Many2one(
        "res.users", "Assigned To", index="btree_not_null", domain="[('share', '=', False)]", tracking=True,
    )
    date_due = fields.Date("Due", tracking=True, help="By its cause and its amount, until a person sets another day.")
    due_by_hand = fields.Boolean(readonly=True)
    period_from = fields.Date("Period", readonly=True, help="First day of the work that waits.")
    period_to = fields.Date("Period to", readonly=True, help="Last day of the work that waits.")
    closed_at = fields.Datetime(readonly=True)
    closed_by_id = fields.Many2one("res.users", readonly=True)
    close_reason = fields.Char(readonly=True)
    choices = fields.Json(readonly=True, help="Records that a person may choose from: [[record type, id]].")
    detail = fields.Text("Technical Detail", readonly=True, groups="psa_hub.group_administrator")

    _one_open = models.UniqueIndex(
        "(cause_id, subject_key) WHERE state NOT IN ('resolved', 'waived')",
        "This exception is already open.",
    )
    # The figures of desk and dashboard are counted from these indexes alone.
    _cause_idx = models.Index(
        "(company_id, cause_id, amount DESC, id DESC) INCLUDE (state, first_seen, user_id) "
        "WHERE state NOT IN ('resolved', 'waived')")
    _due_idx = models.Index("(company_id, date_due) INCLUDE (state) WHERE state NOT IN ('resolved', 'waived')")
    _desk_idx = models.Index("(company_id, amount DESC, id DESC) WHERE state NOT IN ('resolved', 'waived')")

    # === COMPUTE === #
    @api.depends("state")
    def _compute_is_open(self):
        for exception in self:
            exception.is_open = exception.state in OPEN_STATES

    @api.model
    def _search_is_open(self, operator, value):
        if operator != "in":
            return NotImplemented
        domain = Domain.FALSE
        if True in value:
            domain |= Domain("state", "in", OPEN_STATES)
        if False in value:
            domain |= Domain("state", "in", CLOSED_STATES)
        return domain

    # === CRUD === #
    def write(self, vals):
        if not self.env.su and (refused := set(vals) - _WRITABLE):
            raise AccessError(self.env._(
                "Exceptions change through their buttons only; %(fields)s cannot be written.",
                fields=", ".join(sorted(refused)),
            ))
        if "date_due" in vals and not self.env.su:
            self.sudo().due_by_hand = True
        return super().write(vals)

    # === BUSINESS: RAISE === #
    @api.model
    def _raise(self, specs):
        """Open an exception for every cause and subject, or count it once more when it is open already.

        One statement for any number of specs; two transactions that raise the same one at once cannot make two rows
        (the later one waits, and with repeatable reads ends in a serialization failure that its caller retries).
        A closed exception stays closed: the same trouble later is a new row.

        :param specs: list of dicts. Required: ``cause`` (code), ``subject_key``, ``text`` (plain sentence),
            ``company_id`` (id). Optional: ``connection_id``, ``amount`` with ``currency_id`` (ids; without it the
            company's currency), ``res_model``, ``res_id``, ``partner_id``, ``order_id``, ``project_id``, ``detail``,
            ``user_id``, ``choices`` ([[model name, id]] to choose from).
            Several specs of one cause and subject count as one recurrence each, their amounts add up.
        :return: ``{(cause code, subject key): psa.exception}``
        """
        if not specs:
            return {}
        self = self.sudo()
        cause_ids = self.env["psa.exception.cause"]._ids_by_code()
        rows = {}
        for spec in specs:
            key = (spec["cause"], spec["subject_key"])
            amount = self._company_amount(spec)
            if key in rows:
                rows[key]["recurrence_count"] += 1
                rows[key]["stated_amount"] += amount
                continue
            if spec["cause"] not in cause_ids:
                raise ValueError(f"Unknown exception cause {spec['cause']!r}")
            rows[key] = {
                "cause_id": cause_ids[spec["cause"]],
                "cause_code": spec["cause"],
                "subject_key": spec["subject_key"],
                "name": spec["text"],
                "company_id": spec["company_id"],
                "connection_id": spec.get("connection_id") or None,
                "stated_amount": amount,
                "recurrence_count": 1,
                "detail": spec.get("detail") or None,
                "res_model": spec.get("res_model") or None,
                "res_id": spec.get("res_id") or None,
                "partner_id": spec.get("partner_id") or None,
                "order_id": spec.get("order_id") or None,
                "project_id": spec.get("project_id") or None,
                "user_id": spec.get("user_id") or None,
                "choices": SQL("%s::jsonb", json.dumps(spec["choices"])) if spec.get("choices") else None,
            }
        self._complete_subjects(rows.values())
        return self._upsert(rows)

    def _company_amount(self, spec):
        """Return ``spec``'s amount in the currency of its company (0.0 when not known)."""
        amount = float(spec.get("amount") or 0.0)
        company = self.env["res.company"].browse(spec["company_id"])
        currency = self.env["res.currency"].browse(spec.get("currency_id") or company.currency_id.id)
        if not amount or currency == company.currency_id:
            return amount
        return currency._convert(amount, company.currency_id, company, fields.Date.context_today(self))

    def _complete_subjects(self, rows):
        """Fill partner, contract and project of rows that name only the record they are about."""
        by_model = defaultdict(list)
        for row in rows:
            if row["res_id"] and row["res_model"] in _SUBJECT_PATHS:
                by_model[row["res_model"]].append(row)
        for model_name, model_rows in by_model.items():
            paths = _SUBJECT_PATHS[model_name]
            records = self.env[model_name].browse({row["res_id"] for row in model_rows}).exists()
            by_id = {record.id: record for record in records}
            for row in model_rows:
                record = by_id.get(row["res_id"])
                for field_name, path in paths.items():
                    if record and not row[field_name]:
                        value = record.mapped(path)
                        row[field_name] = (value[0] if path == "id" else value[:1].id) or None
        partner_rows = [row for row in rows if row["partner_id"]]
        partners = self.env["res.partner"].browse({row["partner_id"] for row in partner_rows})
        commercial = {partner.id: partner.commercial_partner_id.id for partner in partners}
        for row in partner_rows:
            row["partner_id"] = commercial[row["partner_id"]]

    def _upsert(self, rows):
        now = self.env.cr.now().replace(microsecond=0)
        due_days = self.env["psa.exception.due"]._days(
            (row["company_id"], row["cause_id"], row["stated_amount"]) for row in rows.values())
        currency_by_company = {company.id: company.currency_id.id for company in self.env["res.company"].browse(
            {row["company_id"] for row in rows.values()})}
        columns = [
            "cause_id", "cause_code", "subject_key", "name", "company_id", "connection_id", "stated_amount",
            "recurrence_count", "detail", "res_model", "res_id", "partner_id", "order_id", "project_id", "user_id",
            "choices", "currency_id", "amount", "state", "date_due", "holder_count", "first_seen", "last_seen",
            "create_uid", "create_date", "write_uid", "write_date",
        ]
        values = []
        for key in sorted(rows):  # one order for all transactions: no deadlock
            row = rows[key]
            row.update(
                currency_id=currency_by_company[row["company_id"]],
                amount=row["stated_amount"],
                state="assigned" if row["user_id"] else "new",
                date_due=now.date() + timedelta(
                    days=due_days[row["company_id"], row["cause_id"], row["stated_amount"]]),
                holder_count=0,
                first_seen=now, last_seen=now,
                create_uid=self.env.uid, create_date=now, write_uid=self.env.uid, write_date=now,
            )
            values.append(SQL("(%s)", SQL(", ").join(SQL("%s", row[column]) for column in columns)))
        self.flush_model()
        result = self.env.execute_query(SQL(
            """
            INSERT INTO psa_exception AS existing (%(columns)s) VALUES %(values)s
            ON CONFLICT (cause_id, subject_key) WHERE state NOT IN ('resolved', 'waived') DO UPDATE SET
                name = EXCLUDED.name,
                detail = COALESCE(EXCLUDED.detail, existing.detail),
                choices = EXCLUDED.choices,
                stated_amount = EXCLUDED.stated_amount,
                amount = CASE WHEN existing.holder_count = 0 THEN EXCLUDED.stated_amount ELSE existing.amount END,
                res_model = COALESCE(EXCLUDED.res_model, existing.res_model),
                res_id = COALESCE(EXCLUDED.res_id, existing.res_id),
                partner_id = COALESCE(EXCLUDED.partner_id, existing.partner_id),
                order_id = COALESCE(EXCLUDED.order_id, existing.order_id),
                project_id = COALESCE(EXCLUDED.project_id, existing.project_id),
                recurrence_count = existing.recurrence_count + EXCLUDED.recurrence_count,
                last_seen = EXCLUDED.last_seen,
                state = CASE WHEN existing.state NOT IN ('retrying', 'waiting_source') THEN existing.state
                             WHEN existing.user_id IS NULL THEN 'new' ELSE 'assigned' END,
                write_uid = EXCLUDED.write_uid,
                write_date = EXCLUDED.write_date
            RETURNING id, cause_code, subject_key
            """,
            columns=SQL(", ").join(SQL.identifier(column) for column in columns),
            values=SQL(", ").join(values),
        ))
        exceptions = self.browse([row[0] for row in result])
        exceptions.invalidate_recordset()
        return {(code, subject): self.browse(exception_id) for exception_id, code, subject in result}
