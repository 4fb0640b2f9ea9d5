import base64

from odoo import fields, models
from odoo.exceptions import AccessError


class PsaAuditExport(models.TransientModel):
    """The sealed audit trail of one company as a file that can be checked without Odoo."""

    _name = "psa.audit.export"
    _description = "Export of the Audit Trail"

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company,
        domain=lambda self: [("id", "in", self.env.companies.ids)])
    date_from = fields.Date("From", help="Empty: from the first row.")
    date_to = fields.Date("To", help="Last day; empty: to the last row.")
    file_format = fields.Selection([("json", "JSON"), ("csv", "CSV")], "Format", required=True, default="json")
    download = fields.Binary(readonly=True, attachment=False)
    download_name = fields.Char(readonly=True)

    def action_export(self):
        """Download the file; that it was exported is in the trail too."""
        self.ensure_one()
        Audit = self.env["psa.audit"]
        Audit.check_access("read")
        if self.company_id not in self.env.user.company_ids:
            raise AccessError(self.env._("This is not one of your companies."))
        Audit._seal_all()
        content = Audit._export(self.file_format, self.company_id, self.date_from, self.date_to)
        name = f"audit_{self.company_id.id}_{fields.Date.today()}.{self.file_format}"
        self.sudo().write({"download": base64.b64encode(content), "download_name": name})
        Audit._log([{
            "event": "audit.export", "company_id": self.company_id.id,
            "after": {"format": self.file_format, "from": str(self.date_from or ""), "to": str(self.date_to or "")}}])
        return {
            "type": "ir.actions.act_url", "target": "download",
            "url": f"/web/content/{self._name}/{self.id}/download/{name}?download=true",
        }
