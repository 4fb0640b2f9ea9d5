"""What connectors on queue_job usually do: one job a record, search the binding, create or write, bind."""

import json

from odoo import api, fields, models


class RivalBinding(models.Model):
    _name = "psa.bench.rival.binding"
    _description = "Rival's binding of an external id"

    external_id = fields.Char(required=True)
    res_model = fields.Char(required=True)
    res_id = fields.Integer(required=True)

    _external_uniq = models.Constraint("UNIQUE(res_model, external_id)", "Already bound")

    @api.model
    def job_noop(self, payload):
        """The empty job: what the queue itself costs."""
        return bool(payload)

    @api.model
    def job_timesheet(self, payload):
        """Import one timecard day from its JSON text."""
        record = json.loads(payload)
        binding = self.search([("res_model", "=", "account.analytic.line"), ("external_id", "=", record["id"])])
        project = self._bound("project.project", record["project"])
        employee = self._bound("hr.employee", record["resource"])
        values = {
            "name": record["description"],
            "project_id": project.id,
            "employee_id": employee.id,
            "date": record["work_date"],
            "unit_amount": float(record["hours"]),
        }
        if binding:
            self.env["account.analytic.line"].browse(binding.res_id).write(values)
        else:
            line = self.env["account.analytic.line"].create(values)
            self.create({"external_id": record["id"], "res_model": line._name, "res_id": line.id})

    def _bound(self, model, external_id):
        binding = self.search([("res_model", "=", model), ("external_id", "=", external_id)], limit=1)
        return self.env[model].browse(binding.res_id)

    @api.model
    def enqueue_timesheets(self, payloads):
        """Queue one job a payload. :param payloads: list of JSON texts"""
        for payload in payloads:
            self.with_delay().job_timesheet(payload)

    @api.model
    def enqueue_noops(self, count):
        for _number in range(count):
            self.with_delay().job_noop("{}")
