from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL


class PsaStream(models.Model):
    """The integration catalogue: every flow with its system, owner, source of truth, freshness, map and exceptions."""

    _inherit = "psa.stream"

    system = fields.Selection(related="connection_id.connector_code", string="System")
    owner_id = fields.Many2one(related="connection_id.owner_id", string="Owner")
    source_of_truth = fields.Char(
        compute="_compute_source_of_truth", help="Whose word counts when the systems differ.")
    age_minutes = fields.Integer(
        "Actual (min)", compute="_compute_age_minutes", aggregator=None,
        help="Minutes since the last success. Compare with the freshness target.")
    mapping_version = fields.Integer(
        "Map Version", compute="_compute_mapping_version", aggregator=None, help="Of the field map in force.")
    exception_count = fields.Integer(
        "Open Exceptions", compute="_compute_exceptions", compute_sudo=True, aggregator=None)
    exception_amount = fields.Monetary(
        "Money at Risk", compute="_compute_exceptions", compute_sudo=True, currency_field="exception_currency_id",
        aggregator=None,
        help="What waits because of this flow, in the currency of the current company, at today's rate.")
    exception_currency_id = fields.Many2one(
        "res.currency", "Currency of Money at Risk", compute="_compute_exceptions", compute_sudo=True)

    # === COMPUTE === #
    @api.depends("direction", "lane", "ownership", "connection_id.connector_code")
    @api.depends_context("lang")
    def _compute_source_of_truth(self):
        systems = dict(self.env["psa.connection"]._fields["connector_code"]._description_selection(self.env))
        for stream in self:
            system = systems.get(stream.connection_id.connector_code, "")
            if stream.direction == "out":
                stream.source_of_truth = "Odoo"
            elif stream.lane != "master" or stream.ownership == "source":
                stream.source_of_truth = system
            elif stream.ownership == "auto":
                stream.source_of_truth = self.env._("First system that brought the record")
            elif stream.ownership == "fill":
                stream.source_of_truth = self.env._("Another system; %s fills what is empty", system)
            else:
                stream.source_of_truth = self.env._("Another system; %s only links", system)

    @api.depends("last_success_at")
    def _compute_age_minutes(self):
        now = fields.Datetime.now()
        for stream in self:
            stream.age_minutes = (
                (now - stream.last_success_at).total_seconds() // 60 if stream.last_success_at else 0)

    @api.depends("mapping_ids.state")
    def _compute_mapping_version(self):
        for stream in self:
            stream.mapping_version = stream.mapping_id.version

    @api.depends_context("allowed_company_ids")
    def _compute_exceptions(self):
        """Open exceptions whose messages, or whose entries, came through a flow. One query for any number of flows."""
        currency, today = self.env.company.currency_id, fields.Date.context_today(self)
        totals = {}
        for stream_id, company_id, count, amount in self._open_exceptions():
            company = self.env["res.company"].browse(company_id)
            total = totals.setdefault(stream_id, [0, 0.0])
            total[0] += count
            total[1] += company.currency_id._convert(float(amount or 0), currency, company, today)
        for stream in self:
            stream.exception_currency_id = currency
            stream.exception_count, stream.exception_amount = totals.get(stream.id, (0, 0.0))

    def _open_exceptions(self):
        """Return ``[(stream id, company id, number of exceptions, money in the company's currency)]``."""
        if not self.ids:
            return []
        for model in ("psa.message", "psa.entry", "psa.exception"):
            self.env[model].flush_model()
        return self.env.execute_query(SQL(
            """
            SELECT stream_id, company_id, COUNT(DISTINCT exception_id), SUM(amount)
              FROM (SELECT message.stream_id, message.company_id, message.exception_id, message.risk_amount AS amount
                      FROM psa_message message JOIN psa_exception exception ON exception.id = message.exception_id
                     WHERE message.connection_id = ANY(%(connections)s) AND message.state NOT IN ('done', 'skipped')
                       AND exception.state NOT IN ('resolved', 'waived')
                 UNION ALL
                    SELECT message.stream_id, entry.company_id, entry.exception_id, entry.risk_amount
                      FROM psa_entry entry JOIN psa_exception exception ON exception.id = entry.exception_id
                      JOIN psa_message message ON message.id = entry.message_id
                     WHERE exception.state NOT IN ('resolved', 'waived')) held
             WHERE stream_id = ANY(%(streams)s) AND company_id = ANY(%(companies)s)
          GROUP BY stream_id, company_id
            """, connections=self.connection_id.ids, streams=self.ids, companies=self.env.companies.ids))

    # === ACTIONS === #
    def action_open_exceptions(self):
        """Show the open exceptions of what came through these flows."""
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_exception")
        held = Domain("psa_message_ids.stream_id", "in", self.ids)
        work = Domain("entry_ids.message_id.stream_id", "in", self.ids)
        return {**action, "domain": list((held | work) & Domain("is_open", "=", True)), "context": {}}

    def action_catalogue_document(self):
        """Print these flows, or all that the user may see, as a document."""
        streams = self or self.search(self._catalogue_domain())
        if not streams:
            raise UserError(self.env._("No system is connected yet: there is nothing to print."))
        return self.env.ref("psa_hub.action_report_psa_catalogue").report_action(streams)

    @api.model
    def _catalogue_domain(self):
        return [("connection_id.active", "=", True), ("company_id", "in", self.env.companies.ids)]
