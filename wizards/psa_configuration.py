import base64

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError


class PsaConfiguration(models.TransientModel):
    """Import of an exported configuration: first what it would change, then the button."""

    _name = "psa.configuration"
    _description = "Import Configuration"

    connection_id = fields.Many2one("psa.connection", required=True)
    file = fields.Binary("Configuration", help="A file that was exported from a connection to the same system.")
    file_name = fields.Char()
    change_count = fields.Integer("Changes", compute="_compute_preview")
    preview = fields.Html(compute="_compute_preview", sanitize=False)

    @api.depends("file", "connection_id")
    def _compute_preview(self):
        for wizard in self:
            wizard.change_count, wizard.preview = 0, False
            if not wizard.file:
                continue
            try:
                rows = wizard.connection_id._configuration_diff(wizard._values())
            except UserError as error:
                wizard.preview = Markup("<div class='alert alert-danger'>%s</div>") % error.args[0]
                continue
            wizard.change_count = sum(not row[4] for row in rows)
            wizard.preview = wizard._difference_table(rows)

    def _values(self):
        try:
            text = base64.b64decode(self.with_context(bin_size=False).file).decode()
        except ValueError as error:
            raise UserError(self.env._("This is not an exported configuration.")) from error
        return self.connection_id._read_configuration(text)

    def _difference_table(self, rows):
        if not rows:
            return Markup("<p>%s</p>") % self.env._("It says what is set already.")
        body = Markup().join(
            Markup("<tr class='%s'><td>%s</td><td>%s</td><td class='text-muted'>%s</td>"
                   "<td data-label='→'>%s</td><td>%s</td></tr>") % (
                "text-danger" if problem else "", part, what, now or "–", then or "–", problem)
            for part, what, now, then, problem in rows)
        return Markup("<div class='table-responsive'><table class='table table-sm o_psa_stacked'>"
                      "<thead><tr><th>%s</th><th>%s</th><th>%s</th><th>%s</th><th>%s</th></tr></thead>"
                      "<tbody>%s</tbody></table></div>") % (
            self.env._("Part"), self.env._("What"), self.env._("Now"), self.env._("Then"),
            self.env._("Left Out Because"), body)

    def action_import(self):
        """Take the file over; show the drafts of field maps that it made."""
        self.ensure_one()
        self.connection_id.check_access("write")
        if not self.file:
            raise UserError(self.env._("Choose a file first."))
        drafts = self.connection_id._apply_configuration(self._values())
        if not drafts:
            return {"type": "ir.actions.act_window_close"}
        return {
            "type": "ir.actions.act_window", "name": self.env._("Drafts to Simulate and Approve"),
            "res_model": "psa.mapping", "domain": [("id", "in", drafts.ids)], "view_mode": "list,form",
            "views": [(False, "list"), (False, "form")],
        }
