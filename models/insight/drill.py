from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..billing.entry_kinds import SOURCE_FIELDS


class PsaEntry(models.Model):
    """Ways through: from an entry back to what said so, and on to invoice and payment."""

    _inherit = "psa.entry"

    external_id = fields.Char(
        "ID at the Source", compute="_compute_external_id", search="_search_external_id", compute_sudo=True,
        help="Of the record that this entry stands for, in the system that it came from.",
    )
    proposal_line_ids = fields.One2many("psa.proposal.line", "entry_id", "Proposals", readonly=True)
    invoice_count = fields.Integer("Invoices", compute="_compute_invoice_count", compute_sudo=True)

    # === COMPUTE === #
    @api.depends("kind", "message_id")
    def _compute_external_id(self):
        """One query for any number of entries of one kind."""
        for kind, entries in self.grouped("kind").items():
            source = SOURCE_FIELDS.get(kind)
            if source not in self._fields:
                entries.external_id = False
                continue
            records = entries[source]
            names = {}
            for binding in self.env["psa.binding"].search(
                    [("res_model", "=", records._name), ("res_id", "in", records.ids)], order="alias_of_id, id desc"):
                names[binding.res_id] = binding.external_id
            for entry in entries:
                entry.external_id = names.get(entry[source].id, False)

    @api.model
    def _search_external_id(self, operator, value):
        if operator not in ("in", "ilike", "=ilike", "like"):
            return NotImplemented
        bindings = self.env["psa.binding"].sudo()
        if operator == "in":
            found = bindings.search(["|", ("external_id", "in", list(value)), ("part_of", "in", list(value))])
        else:
            found = bindings.search([("external_id", operator, value)], limit=10000)
        domain = Domain.FALSE
        for model_name, of_model in found.grouped("res_model").items():
            for kind, source in SOURCE_FIELDS.items():
                if source in self._fields and self._fields[source].comodel_name == model_name:
                    domain |= Domain("kind", "=", kind) & Domain(source, "in", of_model.mapped("res_id"))
        return domain

    @api.depends("allocation_ids")
    def _compute_invoice_count(self):
        for entry in self:
            entry.invoice_count = len(entry.allocation_ids.move_id)

    # === ACTIONS === #
    def action_open_message(self):
        """Show the message that said so last, with its raw payload."""
        self.ensure_one()
        if not self.message_id:
            raise UserError(self.env._("%s did not come from a message.", self.display_name))
        return self.message_id.get_formview_action()

    def action_open_source_record(self):
        """Show the timesheet, expense, milestone or charge that this entry stands for."""
        self.ensure_one()
        source = SOURCE_FIELDS.get(self.kind)
        record = source in self._fields and self[source]
        if not record:
            raise UserError(self.env._("%s stands for no record of Odoo any more.", self.display_name))
        return record.get_formview_action()

    def action_open_proposals(self):
        """Show the proposals that this entry was on."""
        self.ensure_one()
        return self._psa_open(self.proposal_line_ids.proposal_id, self.env._("Billing Proposals"))

    def action_open_invoices(self):
        """Show the invoices and credit notes that this entry stands or stood on."""
        self.ensure_one()
        return self._psa_open(self.allocation_ids.move_id, self.env._("Invoices"))

    def action_open_payments(self):
        """Show the payments of those invoices."""
        self.ensure_one()
        payments = self.allocation_ids.move_id.matched_payment_ids
        if not payments:
            raise UserError(self.env._("Nothing was paid on the invoices of %s yet.", self.display_name))
        return self._psa_open(payments, self.env._("Payments"))

    @api.model
    def _psa_open(self, records, name):
        action = {"type": "ir.actions.act_window", "name": name, "res_model": records._name}
        if len(records) == 1:
            return {**action, "res_id": records.id, "view_mode": "form", "views": [(False, "form")]}
        return {**action, "domain": [("id", "in", records.ids)], "view_mode": "list,form"}


class AccountMoveLine(models.Model):
    _inherit = "account.move.line"

    psa_entry_count = fields.Integer("Entries", compute="_compute_psa_entry_count", compute_sudo=True)

    @api.depends("psa_allocation_ids")
    def _compute_psa_entry_count(self):
        counts = dict(self.env["psa.allocation"]._read_group(
            [("move_line_id", "in", self.ids)], ["move_line_id"], ["entry_id:count_distinct"]))
        for line in self:
            line.psa_entry_count = counts.get(line._origin, 0)

    def action_psa_line_entries(self):
        """Show the entries that this line bills."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_entry")
        return {**action, "domain": [("allocation_ids.move_line_id", "=", self.id)], "context": {}}
