from odoo import models


class PsaException(models.Model):
    """The one button of each cause: where its ``fix_method`` leads."""

    _inherit = "psa.exception"

    def action_fix(self):
        """Open what fixes this exception, as its cause says."""
        self.ensure_one()
        self.check_access("write")
        method = self.cause_id.fix_method
        return getattr(self, method)() if method else self._fix_record()

    def _open_form(self, model_name, record_id, name, context=None):
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model_name,
            "res_id": record_id,
            "view_mode": "form",
            "views": [(False, "form")],
            "context": context or {},
        }

    def _open_list(self, model_name, domain, name, context=None):
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model_name,
            "domain": domain,
            "view_mode": "list,form",
            "views": [(False, "list"), (False, "form")],
            "context": context or {},
        }

    def _fix_record(self):
        """The record that the exception is about, else its contract, project or customer."""
        if self.res_model and self.res_id and self.env[self.res_model].browse(self.res_id).exists():
            return self._open_form(self.res_model, self.res_id, self.name)
        for record in (self.project_id, self.order_id, self.partner_id):
            if record:
                return self._open_form(record._name, record.id, record.display_name)
        return self._fix_message()

    def _fix_message(self):
        return self._open_list("psa.message", [("exception_id", "=", self.id)], self.env._("Messages"))

    def _fix_entry(self):
        return self._open_list("psa.entry", [("exception_id", "=", self.id)], self.env._("Entries"))

    def _fix_connection(self):
        if not self.connection_id:
            return self._fix_record()
        return self._open_form("psa.connection", self.connection_id.id, self.connection_id.name)

    def _fix_value_map(self):
        return self._fix_record()

    def _fix_rate(self):
        return self._fix_record()

    def _fix_link(self):
        return self._fix_record()

    def _fix_mapping(self):
        return self._fix_record()
