from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..sync.mapper import field_label

_BY_PERSON = {"mapping_id", "date_from", "date_to", "message_limit"}


class PsaMappingSimulation(models.Model):
    """What a version of a field map would have made of the messages of a period, compared with what stands now."""

    _name = "psa.mapping.simulation"
    _description = "Field Map Simulation"
    _order = "id desc"
    _check_company_auto = True

    # === FIELDS === #
    mapping_id = fields.Many2one("psa.mapping", "Field Map", required=True, index=True, ondelete="cascade")
    stream_id = fields.Many2one(related="mapping_id.stream_id", store=True)
    company_id = fields.Many2one(related="mapping_id.company_id", store=True, index=True)
    baseline_id = fields.Many2one(
        "psa.mapping", "Compared With", readonly=True, ondelete="set null", help="The version that was in force.")
    date_from = fields.Datetime(
        "Received From", required=True, default=lambda self: fields.Datetime.now() - timedelta(days=30))
    date_to = fields.Datetime("Received Until", required=True, default=fields.Datetime.now)
    message_limit = fields.Integer(
        "At Most", default=10_000, required=True, help="Records; the newest of the period are taken.")
    state = fields.Selection([("draft", "To Run"), ("done", "Done")], required=True, readonly=True, default="draft")
    run_by_id = fields.Many2one("res.users", readonly=True)
    run_at = fields.Datetime("Run", readonly=True)
    seconds = fields.Float(readonly=True, digits=(8, 1))
    record_count = fields.Integer("Records", readonly=True, help="Newest stored version of each record in the period.")
    left_out_count = fields.Integer("Left Out", readonly=True, help="Older than the records that were taken.")
    changed_count = fields.Integer("Changed", readonly=True, help="Records that come out differently.")
    broken_count = fields.Integer("No Longer Readable", readonly=True, help="Could be used before, and could not now.")
    mended_count = fields.Integer("Readable Now", readonly=True, help="Could not be used before, and could now.")
    stopped_count = fields.Integer(
        "Would Be Held", readonly=True, help="Changed records that would wait for a person or another record.")
    field_changes = fields.Json(readonly=True, help="{field: {count, samples: [[record, before, after]]}}")
    problems = fields.Json(readonly=True, help="[[sentence, count]]")
    line_ids = fields.One2many("psa.mapping.simulation.line", "simulation_id", "Money", readonly=True)
    report = fields.Html(compute="_compute_report", sanitize=False)
    conclusion = fields.Char(compute="_compute_report")

    _limits = models.Constraint(
        "CHECK(message_limit BETWEEN 1 AND 30000)", "A simulation takes 1 to 30,000 records.")

    # === COMPUTE === #
    @api.depends("mapping_id", "run_at")
    def _compute_display_name(self):
        for run in self:
            run.display_name = self.env._("Simulation of %s", run.mapping_id.display_name or "")

    @api.depends("field_changes", "problems", "line_ids.amount_change", "state")
    def _compute_report(self):
        for run in self:
            run.report = run._table_of_fields() + run._table_of_problems() if run.state == "done" else False
            run.conclusion = run._conclusion() if run.state == "done" else False

    def _conclusion(self):
        changed = self.changed_count + self.broken_count + self.mended_count
        if not changed and not self.line_ids:
            return self.env._("Nothing would change in %s records.", self.record_count)
        if not self.line_ids:
            return self.env._(
                "%(changed)s of %(all)s records would change, and no amount.",
                changed=changed, all=self.record_count)
        sums = {}
        for line in self.line_ids:
            sums[line.currency_id] = sums.get(line.currency_id, 0.0) + line.amount_change
        values = {
            "changed": changed, "all": self.record_count, "contracts": len(self.line_ids),
            "money": ", ".join(
                f"{'+' if amount > 0 else ''}{currency.format(amount)}" for currency, amount in sums.items())}
        if not changed:  # the version in force: the books are not what it says
            return self.env._(
                "Applied once more, %(all)s records would change %(contracts)s contracts; to bill: %(money)s before "
                "tax.", **values)
        return self.env._(
            "%(changed)s of %(all)s records would change, on %(contracts)s contracts; to bill: %(money)s before tax.",
            **values)

    def _table_of_fields(self):
        if not self.field_changes:
            return Markup()
        rows = Markup().join(
            Markup("<tr><td class='fw-bold'>%s</td><td class='text-end' data-label='%s'>%s</td><td>%s</td></tr>") % (
                field_label(name), self.env._("Records:"), change["count"], Markup("<br/>").join(
                    Markup("<span class='text-muted'>%s</span> %s → <b>%s</b>") % (
                        record, before or "–", after or "–") for record, before, after in change["samples"]))
            for name, change in sorted(self.field_changes.items(), key=lambda pair: -pair[1]["count"]))
        return Markup("<div class='table-responsive'><table class='table table-sm o_psa_stacked'><thead><tr><th>%s</th>"
                      "<th class='text-end'>%s</th><th>%s</th></tr></thead><tbody>%s</tbody></table></div>") % (
            self.env._("Field"), self.env._("Records"), self.env._("For example"), rows)

    def _table_of_problems(self):
        if not self.problems:
            return Markup()
        rows = Markup().join(Markup("<tr><td>%s</td><td class='text-end' data-label='%s'>%s</td></tr>") % (
            text, self.env._("Records:"), count)
                             for text, count in self.problems)
        return Markup("<div class='table-responsive'><table class='table table-sm o_psa_stacked'><thead><tr><th>%s</th>"
                      "<th class='text-end'>%s</th></tr></thead><tbody>%s</tbody></table></div>") % (
            self.env._("What Would Stop"), self.env._("Records"), rows)

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_by_person(vals)
        return super().create(vals_list)

    def write(self, vals):
        self._check_by_person(vals)
        if not self.env.su and self.filtered(lambda run: run.state == "done"):
            raise UserError(self.env._("A report stays as it is. Make a new simulation."))
        return super().write(vals)

    def _check_by_person(self, vals):
        if not self.env.su and vals.keys() - _BY_PERSON:
            raise AccessError(self.env._("Only the simulation itself writes its report."))

    # === ACTIONS === #
    def action_run(self):
        """Run on the stored messages and keep what would change; the database stays as it is."""
        self.check_access("write")
        self.mapping_id.check_access("write")
        for run in self:
            if run.state == "done":
                raise UserError(self.env._("A report stays as it is. Make a new simulation."))
            run.mapping_id._check_complete()
            run.sudo()._run()
            run.mapping_id._note_simulated()
        return True

    def action_again(self):
        """Open a new simulation of the same period."""
        self.ensure_one()
        self.check_access("write")
        action = self.mapping_id.action_simulate()
        action["context"].update(
            default_date_from=self.date_from, default_date_to=self.date_to, default_message_limit=self.message_limit)
        return action

    def action_open_mapping(self):
        """Back to the field map."""
        self.ensure_one()
        return {"type": "ir.actions.act_window", "res_model": "psa.mapping", "res_id": self.mapping_id.id,
                "views": [(False, "form")]}


class PsaMappingSimulationLine(models.Model):
    """What would change on one contract. Names are kept beside the links: a contract may exist in the trial only."""

    _name = "psa.mapping.simulation.line"
    _description = "Simulated Change of a Contract"
    _order = "simulation_id, partner_name, order_name, id"

    simulation_id = fields.Many2one(
        "psa.mapping.simulation", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="simulation_id.company_id", store=True)
    partner_id = fields.Many2one("res.partner", "Customer Record", readonly=True, ondelete="set null")
    partner_name = fields.Char("Customer", readonly=True)
    order_id = fields.Many2one("sale.order", "Contract Record", readonly=True, ondelete="set null")
    order_name = fields.Char("Contract", readonly=True)
    currency_id = fields.Many2one("res.currency", required=True, readonly=True, ondelete="cascade")
    count_before = fields.Integer("Entries Now", readonly=True)
    count_after = fields.Integer("Entries Then", readonly=True)
    amount_before = fields.Monetary("To Bill Now", readonly=True, help="Approved entries, before tax.")
    amount_after = fields.Monetary("To Bill Then", readonly=True, help="Approved entries, before tax.")
    amount_change = fields.Monetary("Change", readonly=True)
    tax_before = fields.Monetary("Tax Now", readonly=True, help="By the taxes of the contract's lines.")
    tax_after = fields.Monetary("Tax Then", readonly=True, help="By the taxes of the contract's lines.")
    tax_change = fields.Monetary("Change of Tax", readonly=True)
    held_before = fields.Monetary("Held Now", readonly=True)
    held_after = fields.Monetary("Held Then", readonly=True)
    total_before = fields.Monetary("Contract Now", readonly=True, help="Total of the contract before tax.")
    total_after = fields.Monetary("Contract Then", readonly=True, help="Total of the contract before tax.")
