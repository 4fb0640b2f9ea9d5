from odoo import api, fields, models

from ..desk.exception import OPEN_STATES


class SaleOrder(models.Model):
    _name = "sale.order"
    _inherit = ["sale.order", "psa.exception.banner"]

    _psa_exception_link = "order_id"

    def action_psa_entries(self):
        return self._psa_entries_action([("order_id", "in", self.ids)])

    def action_psa_proposals(self):
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_proposal")
        return {**action, "domain": [("order_id", "in", self.ids)], "context": {}}


class ProjectProject(models.Model):
    _name = "project.project"
    _inherit = ["project.project", "psa.exception.banner"]

    _psa_exception_link = "project_id"

    psa_entry_count = fields.Integer("Entries", compute="_compute_psa_entry_count", compute_sudo=True)

    def _compute_psa_entry_count(self):
        counts = dict(self.env["psa.entry"]._read_group(
            [("project_id", "in", self.ids)], ["project_id"], ["__count"]))
        for project in self:
            project.psa_entry_count = counts.get(project._origin, 0)

    def action_psa_entries(self):
        return self._psa_entries_action([("project_id", "in", self.ids)])


class ResPartner(models.Model):
    _name = "res.partner"
    _inherit = ["res.partner", "psa.exception.banner"]

    _psa_exception_link = "partner_id"

    psa_entry_count = fields.Integer("Entries", compute="_compute_psa_entry_count", compute_sudo=True)

    psa_binding_count = fields.Integer("At the Source", compute="_compute_psa_binding_count")

    @api.depends_context("uid", "allowed_company_ids")
    def _compute_psa_binding_count(self):
        Binding = self.env["psa.binding"]
        counts = dict(Binding._read_group(
            [("res_model", "=", self._name), ("res_id", "in", self.ids)], ["res_id"], ["__count"],
        )) if Binding.has_access("read") else {}
        for partner in self:
            partner.psa_binding_count = counts.get(partner._origin.id, 0)

    def action_psa_bindings(self):
        """Show the records of other systems that this is; a reviewer can split one off there."""
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_binding")
        return {**action, "domain": [("res_model", "=", self._name), ("res_id", "in", self.ids)], "context": {}}

    @api.depends_context("allowed_company_ids")
    def _compute_psa_entry_count(self):
        families = {partner.id: partner.commercial_partner_id.id for partner in self}
        counts = {}
        for partner, count in self.env["psa.entry"]._read_group(
            [("partner_id.commercial_partner_id", "in", list(families.values())),
             ("company_id", "in", self.env.companies.ids)],
            ["partner_id"], ["__count"],
        ):
            family = partner.commercial_partner_id.id
            counts[family] = counts.get(family, 0) + count
        for partner in self:
            partner.psa_entry_count = counts.get(families[partner.id], 0)

    def _psa_exception_subjects(self):
        return {partner.id: partner.commercial_partner_id.id for partner in self if partner.id}

    def action_psa_entries(self):
        return self._psa_entries_action(
            [("partner_id.commercial_partner_id", "in", self.commercial_partner_id.ids)])


class AccountMove(models.Model):
    _name = "account.move"
    _inherit = ["account.move", "psa.exception.banner"]

    psa_allocation_ids = fields.One2many("psa.allocation", "move_id", "Billing Allocations", readonly=True)
    psa_entry_count = fields.Integer("Entries", compute="_compute_psa_entry_count", compute_sudo=True)

    def _compute_psa_entry_count(self):
        counts = dict(self.env["psa.allocation"]._read_group(
            [("move_id", "in", self.ids)], ["move_id"], ["entry_id:count_distinct"]))
        for move in self:
            move.psa_entry_count = counts.get(move._origin, 0)

    @api.depends_context("allowed_company_ids")
    def _compute_psa_exceptions(self):
        """Exceptions of the entries that stand on the invoice (changed, rejected or deleted after billing)."""
        currency = self.env.company.currency_id
        today = fields.Date.context_today(self)
        by_move = {}
        for move, entries in self.env["psa.allocation"]._read_group(
            [("move_id", "in", self.ids), ("entry_id.exception_id.state", "in", OPEN_STATES)],
            ["move_id"], ["entry_id:recordset"],
        ):
            by_move[move.id] = entries
        for move in self:
            entries = by_move.get(move._origin.id, self.env["psa.entry"])
            move.psa_exception_currency_id = currency
            move.psa_exception_count = len(entries.exception_id)
            move.psa_exception_amount = sum(
                entry.company_currency_id._convert(entry.risk_amount, currency, entry.company_id, today)
                for entry in entries
            )

    def action_psa_exceptions(self):
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_exception")
        action["domain"] = [("entry_ids.allocation_ids.move_id", "in", self.ids)]
        return action

    def action_psa_entries(self):
        return self._psa_entries_action([("allocation_ids.move_id", "in", self.ids)])
