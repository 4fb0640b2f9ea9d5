from odoo import models
from odoo.exceptions import UserError


class PsaException(models.Model):
    """The one button of each cause: where its ``fix_method`` leads.

    Subject keys are what the parts of the hub agree on: ``record:<connection>:<object type>:<external id>``,
    ``value:<connection>:<domain>:<value>``, ``rate:<contract>:<employee>:<role>``; others name the record itself.
    """

    _inherit = "psa.exception"

    def action_fix(self):
        """Open what fixes this exception, as its cause says."""
        self.ensure_one()
        self.check_access("write")
        method = self.cause_id.fix_method
        return getattr(self, method)() if method else self._fix_record()

    def _subject_parts(self, kind, count):
        """Return the parts after ``kind`` of the subject key, or None when the key is of another kind."""
        parts = self.subject_key.split(":", count)
        return parts[1:] if parts[0] == kind and len(parts) == count + 1 else None

    # === WHERE IT LEADS === #
    def _open(self, records, name=None, context=None):
        """Show one record as a form, several as a list."""
        action = {
            "type": "ir.actions.act_window",
            "name": name or records._description,
            "res_model": records._name,
            "context": context or {},
        }
        if len(records) == 1:
            return {**action, "res_id": records.id, "view_mode": "form", "views": [(False, "form")]}
        return {
            **action,
            "domain": [("id", "in", records.ids)],
            "view_mode": "list,form",
            "views": [(False, "list"), (False, "form")],
        }

    def _fix_record(self):
        """The record that the exception is about, else its project, contract or customer, else its messages."""
        if self.res_model in self.env and (record := self.env[self.res_model].browse(self.res_id or 0).exists()):
            return self._open(record)
        for record in (self.project_id, self.order_id, self.partner_id):
            if record:
                return self._open(record)
        return self._fix_message()

    def _fix_project(self):
        return self._open(self.project_id) if self.project_id else self._fix_record()

    def _fix_contract(self):
        return self._open(self.order_id) if self.order_id else self._fix_project()

    def _fix_customer(self):
        return self._open(self.partner_id) if self.partner_id else self._fix_record()

    def _fix_connection(self):
        return self._open(self.connection_id) if self.connection_id else self._fix_record()

    def _fix_reconnect(self):
        """The other system's own page of consent for those who may give it; else the connection with its login."""
        connection = self.connection_id
        if connection.is_interactive and self.env.user.has_group("psa_hub.group_administrator"):
            return {"type": "ir.actions.act_url", "url": f"/psa_hub/oauth/start/{connection.id}", "target": "self"}
        return self._fix_connection()

    def _fix_assignment(self):
        """The assignments on the project; without a project the record that is in the wrong company."""
        if not self.project_id:
            return self._fix_record()
        assignments = self.env["psa.assignment"].search([("project_id", "=", self.project_id.id)])
        return {**self._open(assignments, self.env._("Assignments"), {"default_project_id": self.project_id.id}),
                "view_mode": "list,form", "views": [(False, "list"), (False, "form")], "res_id": False,
                "domain": [("project_id", "=", self.project_id.id)]}

    def _fix_data(self):
        """What the message says, to be corrected; the field map when many have the same fault."""
        waiting = self._waiting_messages()
        return waiting.action_correct() if len(waiting) == 1 else self._fix_mapping()

    def _fix_ask_manager(self):
        """A question to the manager; where nobody can be asked the project itself."""
        manager = self.project_id.user_id
        return self.action_ask() if manager and manager != self.env.user else self._fix_project()

    def _fix_message(self):
        waiting = self.psa_message_ids.filtered(lambda message: message.state not in ("done", "skipped"))
        return self._open(waiting or self.psa_message_ids, self.env._("Messages"))

    def _fix_entry(self):
        return self._open(self.entry_ids, self.env._("Entries")) if self.entry_ids else self._fix_record()

    def _fix_mapping(self):
        """The field map that read the message, else the one in force on its stream."""
        messages = self.psa_message_ids
        mappings = messages.mapping_id or messages.stream_id.mapping_id
        return self._open(mappings) if mappings else self._fix_message()

    def _fix_value_map(self):
        """The row of the unknown value, ready to say what it means."""
        parts = self._subject_parts("value", 3)
        if not parts:
            return self._fix_record()
        connection_id, domain, source_value = parts
        rows = self.env["psa.value.map"].search([
            ("connection_id", "in", (int(connection_id), False)), ("domain", "=", domain),
            ("source_value", "=", source_value),
        ])
        if rows:
            return self._open(rows.sorted(lambda row: row.state == "mapped")[:1], self.env._("Map the Value"))
        return self._open(rows, self.env._("Map the Value"), {
            "default_connection_id": int(connection_id), "default_domain": domain,
            "default_source_value": source_value,
        })

    def _fix_rate(self):
        """A new rate, filled in for the contract, person, role and first day that wait for it."""
        parts = self._subject_parts("rate", 3)
        if not parts:
            return self._fix_record()
        order_id, employee_id, role_id = (int(part) or False for part in parts)
        dates = self.entry_ids.mapped("work_date")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New Rate"),
            "res_model": "psa.rate",
            "view_mode": "form",
            "views": [(False, "form")],
            "context": {
                "default_order_id": order_id,
                "default_employee_id": employee_id,
                "default_role_id": False if employee_id else role_id,
                "default_company_id": self.company_id.id,
                "default_date_from": min(dates) if dates else False,
            },
        }

    def _fix_link(self):
        """The dialog that says which record of Odoo the one at the source is."""
        if not self._subject_parts("record", 3):
            return self._fix_record()
        return {
            "type": "ir.actions.act_window",
            "name": self.fix_label,
            "res_model": "psa.exception.link",
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_exception_id": self.id},
        }

    # === LINKING === #
    def _external_record(self):
        """Return ``(connection, object type, external id)`` of the record at the source that this is about."""
        parts = self._subject_parts("record", 3)
        if not parts:
            raise UserError(self.env._("This exception is not about a record at the source."))
        connection_id, object_type, external_id = parts
        return self.env["psa.connection"].browse(int(connection_id)), object_type, external_id

    def _link_to(self, record):
        """Bind the record at the source to ``record`` and release what waits for it, in this transaction.

        When ``record`` is bound already to another one of that type, the new one is an alias of it: the same thing
        twice at the source.
        """
        self.ensure_one()
        connection, object_type, external_id = self._external_record()
        Binding = self.env["psa.binding"].sudo()
        binding = Binding.search([
            ("connection_id", "=", connection.id), ("object_type", "=", object_type),
            ("external_id", "=", external_id)])
        bound = Binding._bound_to(connection, object_type, record) - binding
        stream = self.env["psa.stream"].sudo().search(
            [("connection_id", "=", connection.id), ("object_type", "=", object_type)], limit=1)
        values = {**Binding._link_values(record, bound), "deleted_at_source": False}
        before = {"res_model": binding.res_model, "res_id": binding.res_id} if binding else None
        if binding:
            binding.write(values)
        else:
            binding = Binding.create({
                **values,
                "connection_id": connection.id,
                "object_type": object_type,
                "external_id": external_id,
                "canonical_type": stream.canonical_type or self._LINK_TYPES[record._name],
            })
        binding._put_together(bound)
        self.env["psa.audit"]._log([{
            "event": "binding.link",
            "res_model": "psa.binding",
            "res_id": binding.id,
            "company_id": self.company_id.id,
            "before": before,
            "after": {"res_model": record._name, "res_id": record.id, "alias": bool(binding.alias_of_id)},
            "reason": self.name,
        }])
        self.sudo().write({"state": "retrying"})  # first: what waits is tried at once, and may come back
        self.env["psa.message"].sudo()._release_now([self.subject_key])
        return binding

    # models that a record at the source can be, and the canonical type when no stream declares it
    _LINK_TYPES = {
        "hr.employee": "resource",
        "res.partner": "party",
        "project.project": "project",
        "sale.order": "deal",
        "project.milestone": "milestone",
        "psa.agreement": "agreement",
        "project.task": "task",
    }
