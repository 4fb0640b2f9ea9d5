from odoo import api, fields, models, tools
from odoo.fields import Domain

from .exception import OPEN_STATES


class PsaExceptionCause(models.Model):
    """Why work stops, in the few kinds that a finance person deals with.

    The codes are law (other parts of the hub raise them); names and sentences are data that can be translated.
    """

    _name = "psa.exception.cause"
    _description = "Exception Cause"
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    code = fields.Char(required=True, index=True)
    sentence = fields.Text(
        "Explanation", required=True, translate=True,
        help="What happened, why the hub stopped, and how to go on.",
    )
    fix_label = fields.Char("Fix Button", translate=True, help="Text of the button that leads to what fixes it.")
    fix_method = fields.Char(help="Method of the exception that the button calls.")
    category = fields.Selection(
        [("data", "Data"), ("conflict", "Conflict"), ("connection", "Connection"), ("poison", "Unreadable")],
        required=True, default="data",
    )
    due_days = fields.Integer(
        "Days to Solve", default=3, help="A new exception of this cause is due this many days after it was first seen.",
    )
    documentation = fields.Html(
        "Help", translate=True, sanitize_attributes=True, help="Why it stops, what to do, what happens then.")
    user_id = fields.Many2one(
        "res.users", "Owner", company_dependent=True, domain="[('share', '=', False)]",
        help="Answers for the exceptions of this cause in the company, and is told when they are late.")
    manager_id = fields.Many2one(
        "res.users", "Escalates to", company_dependent=True, domain="[('share', '=', False)]",
        help="Is told when they are late by twice the days to solve.")
    sequence = fields.Integer(default=10)
    color = fields.Integer()

    # what is open now, in the companies that the user has switched on
    currency_id = fields.Many2one("res.currency", compute="_compute_open")
    open_count = fields.Integer("Open", compute="_compute_open")
    open_amount = fields.Monetary(
        "Money at Risk", compute="_compute_open", help="In the currency of the current company, at today's rate.",
    )
    unassigned_count = fields.Integer("Without Owner", compute="_compute_open")
    oldest = fields.Datetime(compute="_compute_open")
    has_open = fields.Boolean(compute="_compute_open", search="_search_has_open")

    _code_unique = models.Constraint("UNIQUE(code)", "There is already a cause with this code.")

    # === COMPUTE === #
    @api.depends_context("allowed_company_ids", "uid")
    def _compute_open(self):
        currency = self.env.company.currency_id
        today = fields.Date.context_today(self)
        groups = self.env["psa.exception"]._read_group(
            [("cause_id", "in", self.ids), ("state", "in", OPEN_STATES), ("company_id", "in", self.env.companies.ids)],
            ["cause_id", "company_id"],
            ["__count", "amount:sum", "first_seen:min", "user_id:count"],
        )
        by_cause = {}
        for cause, company, count, amount, first_seen, assigned in groups:
            totals = by_cause.setdefault(cause.id, {"count": 0, "amount": 0.0, "oldest": first_seen, "unassigned": 0})
            totals["count"] += count
            totals["amount"] += company.currency_id._convert(amount, currency, company, today)
            totals["oldest"] = min(totals["oldest"], first_seen)
            totals["unassigned"] += count - assigned
        for cause in self:
            totals = by_cause.get(cause.id, {})
            cause.currency_id = currency
            cause.open_count = totals.get("count", 0)
            cause.open_amount = totals.get("amount", 0.0)
            cause.unassigned_count = totals.get("unassigned", 0)
            cause.oldest = totals.get("oldest", False)
            cause.has_open = bool(totals)

    def _search_has_open(self, operator, value):
        if operator != "in":
            return NotImplemented
        groups = self.env["psa.exception"]._read_group(
            [("state", "in", OPEN_STATES), ("company_id", "in", self.env.companies.ids)], ["cause_id"])
        domain = Domain("id", "in", [cause.id for (cause,) in groups])
        if set(value) == {True}:
            return domain
        return ~domain if set(value) == {False} else Domain.TRUE

    def _order_field_to_sql(self, alias, field_name, direction, nulls, query):
        """Let the cards be sorted by the money at risk, which is in no column: the causes are few."""
        if field_name != "open_amount":
            return super()._order_field_to_sql(alias, field_name, direction, nulls, query)
        causes = self.browse(self._ids_by_code().values()).sorted("open_amount")
        return tools.SQL("array_position(%s::int[], %s) %s", causes.ids, tools.SQL.identifier(alias, "id"), direction)

    # === CRUD === #
    @api.model
    @tools.ormcache()
    def _ids_by_code(self):
        """Return ``{code: id}`` of all causes."""
        return dict(self.env.execute_query(tools.SQL("SELECT code, id FROM psa_exception_cause")))

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        if "code" in vals:
            self.env.registry.clear_cache()
        return super().write(vals)

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    # === ACTIONS === #
    def action_open_exceptions(self):
        """The open exceptions of this cause, dearest first."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_exception")
        action["display_name"] = self.name
        action["context"] = {"search_default_open": 1, "search_default_cause_id": self.id}
        return action

    def action_help(self):
        """Show the help of this cause."""
        self.ensure_one()
        view = self.env.ref("psa_hub.psa_exception_cause_view_help")
        return {
            "type": "ir.actions.act_window", "name": self.name, "res_model": self._name, "res_id": self.id,
            "view_mode": "form", "views": [(view.id, "form")], "target": "new",
        }

    def action_retry_all(self):
        """Ask whether to retry every open exception of these causes that the user may see."""
        return self.env["psa.exception"].search([
            ("cause_id", "in", self.ids), ("state", "in", OPEN_STATES), ("company_id", "in", self.env.companies.ids),
        ]).action_bulk("retry")
