from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ...connectors import canonical, jsontext
from ..sync.item import record_key

#: Model that a record of each canonical type is, of those that can be linked to another one.
SPLIT_MODELS = {
    "party": "res.partner",
    "person": "res.partner",
    "resource": "hr.employee",
    "deal": "sale.order",
    "project": "project.project",
    "milestone": "project.milestone",
    "task": "project.task",
}
_FINISHED = ("done", "skipped")


class PsaBinding(models.Model):
    """Splitting: an external record was taken for an Odoo record that it is not, by a match or by a merge."""

    _inherit = "psa.binding"

    may_split = fields.Boolean(compute="_compute_may_split")

    @api.depends("canonical_type")
    def _compute_may_split(self):
        for binding in self:
            binding.may_split = binding.canonical_type in SPLIT_MODELS

    def action_split(self):
        """Open the dialog that says which record it really is."""
        self.ensure_one()
        self._check_split()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Link to Another Record"),
            "res_model": "psa.binding.split",
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_binding_id": self.id},
        }

    def _check_split(self):
        """:raise AccessError: neither reviewer nor administrator
        :raise UserError: nothing that people link
        """
        self.check_access("read")
        if not self.env.user.has_group("psa_hub.group_reviewer"):
            raise AccessError(self.env._("Only reviewers and administrators link a record to another one."))
        if not self.may_split:
            raise UserError(self.env._(
                "%s stands for work or money and cannot be linked to another record. Correct it at the source.",
                self.display_name))

    # === SPLIT === #
    def _split(self, record, reason, aliases=None, contacts=False):
        """Link this external record to another Odoo record, or let it become one of its own; in this transaction.

        What is booked on the old record stays there. Other external records that are bound to it stay too.

        :param record: what it is, empty: its own new record, made of what the source sent last
        :param reason: kept in the audit trail
        :param aliases: those of what was merged into it that go with it
        :param contacts: send the contacts on their way again that came with it, so that they follow
        :raise UserError: it cannot be done, or there is no reason
        """
        self.ensure_one()
        self._check_split()
        if not (reason or "").strip():
            raise UserError(self.env._("Say why: the reason is kept for ever."))
        binding = self.sudo()
        old = binding._record()
        record = record.sudo() if record else None
        last = binding._last_message()
        binding._check_target(record, old, last)
        aliases = (aliases or self.browse()).sudo().filtered(lambda alias: alias.alias_of_id == binding)
        stay = self.browse().sudo()
        if old:
            stay = binding._bound_to(binding.connection_id, binding.object_type, old) - binding - aliases
        follow = binding._came_with(old, aliases)[0]["res.partner"] if contacts and old else None
        before = {"res_model": binding.res_model, "res_id": binding.res_id, "alias_of": binding.alias_of_id.external_id}

        again = last if not record or last.payload and not binding.deleted_at_source else last.browse()
        binding._leave(record, aliases, again)
        (binding | aliases)._set_apart(stay)
        messages = again.browse() if binding.alias_of_id else again
        for contact in follow or ():
            messages |= contact._last_message()
        self.env["psa.audit"]._log([{
            "event": "binding.split", "res_model": self._name, "res_id": binding.id,
            "company_id": binding.company_id.id or binding.connection_id.company_id.id, "before": before,
            "after": {
                "res_model": binding.res_model, "res_id": binding.res_id or False,
                "alias_of": binding.alias_of_id.external_id, "own_record": not record,
                "aliases": aliases.mapped("external_id"), "contacts": len(follow or ()),
            },
            "reason": reason,
        }])
        binding._note_split(old, record, reason)
        self.env["psa.message"].sudo()._release([
            record_key(moved.connection_id.id, moved.object_type, moved.external_id) for moved in binding | aliases])
        messages._replay()

    def _check_target(self, record, old, last):
        if record:
            if record._name != SPLIT_MODELS[self.canonical_type]:
                raise UserError(self.env._("%(external)s cannot be a record of the type %(model)s.",
                                           external=self.display_name, model=record._description))
            if record == old:
                raise UserError(self.env._("%(external)s is “%(record)s” already.",
                                           external=self.display_name, record=record.display_name))
            return
        if self.deleted_at_source:
            raise UserError(self.env._(
                "%s was deleted at the source: no record is made of it. Choose the record that it was.",
                self.display_name))
        if not last:
            raise UserError(self.env._(
                "Nothing that the source sent of %s is stored, so that no record can be made of it. Make the record in "
                "Odoo and choose it.", self.display_name))
        if last.stream_id.ownership == "link":
            raise UserError(self.env._(
                "The stream %s makes no records. Choose the one that it is.", last.stream_id.display_name))

    def _leave(self, record, aliases, again):
        """Point this at ``record`` (None: at nothing yet) with ``aliases``; whatever is left behind gets a new head.

        :param again: message that is applied again and must not be stale
        """
        heirs = self.search([("alias_of_id", "=", self.id)], order="id") - aliases
        fresh = {"fingerprint": False, "applied": False, "former_id": False}
        if again:
            fresh["source_version"] = again.source_version
        bound = self._bound_to(self.connection_id, self.object_type, record) if record else self.browse()
        if record:
            values = self._link_values(record, bound)
        else:
            values = {"res_model": False, "res_id": False, "alias_of_id": False, "merged_at_source": False,
                      "own_record": True}
        self.write({**values, **fresh})
        self.flush_recordset()
        aliases.write({
            "res_model": values["res_model"], "res_id": values["res_id"],
            "alias_of_id": values["alias_of_id"] or self.id})
        if heirs:
            heirs[0].write({"alias_of_id": False, "merged_at_source": False})
            heirs[1:].alias_of_id = heirs[0]
        (self | aliases)._put_together(bound)

    def _note_split(self, old, record, reason):
        """Tell on both records, where they have a history."""
        names = {"external": self.display_name, "connection": self.connection_id.name, "reason": reason}
        if old and hasattr(old, "_message_log"):
            old._message_log(body=self.env._(
                "%(external)s of %(connection)s is not this record any more: %(reason)s", **names))
        if record and hasattr(record, "_message_log"):
            record._message_log(body=self.env._(
                "%(external)s of %(connection)s is this record from now on: %(reason)s", **names))

    # === WHAT CAME === #
    def _last_message(self):
        """Return the newest finished message that says what this record is, not that it is gone; maybe none."""
        self.ensure_one()
        message = self.message_id
        if message.operation == "upsert" and message.state in _FINISHED:
            return message
        messages = self.env["psa.message"].search([
            ("connection_id", "=", self.connection_id.id), ("object_type", "=", self.object_type),
            ("external_id", "=", self.part_of or self.external_id), ("direction", "=", "in"),
            ("operation", "=", "upsert"), ("state", "in", _FINISHED), ("skip_reason", "!=", "waived")])
        return max(messages, key=lambda message: (message.source_version or "", message.id), default=messages)

    def _came_with(self, old, aliases):
        """Return what belongs to ``old`` because it belongs to this customer, or to one of ``aliases``, at the source.

        :return: ``({model name: bindings}, number of those of which nobody can tell: their content was purged)``
        """
        wanted = {(binding.object_type, binding.external_id) for binding in self | aliases}
        found = {"res.partner": self.browse(), "sale.order": self.browse(), "project.project": self.browse()}
        unknown = 0
        if old._name != "res.partner" or self.canonical_type != "party":
            return found, unknown
        everything = {"active_test": False}
        contacts = self.env["res.partner"].with_context(**everything).search([("parent_id", "=", old.id)])
        orders = self.env["sale.order"].search([("partner_id", "in", (old | contacts).ids)])
        projects = self.env["project.project"].with_context(**everything).search([
            "|", ("partner_id", "in", (old | contacts).ids), ("psa_contract_id", "in", orders.ids)])
        for records, canonical_type in ((contacts, "person"), (orders, "deal"), (projects, "project")):
            for binding in self.search([
                ("connection_id", "=", self.connection_id.id), ("canonical_type", "=", canonical_type),
                ("res_model", "=", records._name), ("res_id", "in", records.ids),
            ], order="id"):
                references = binding._references()
                if references is None:
                    unknown += 1
                elif references & wanted:
                    found[records._name] |= binding
                    wanted |= {(binding.object_type, binding.external_id)} if canonical_type == "deal" else set()
        return found, unknown

    def _references(self):
        """Return the ``(object type, external id)`` that the source named last in this record; None: it was purged."""
        message = self._last_message()
        if not message.payload or not message.mapping_id:
            return None
        provider, spec = message.stream_id._declaration(message.stream_id.id)
        mapper = self.env["psa.mapping"]._frozen_mapper(message.mapping_id.id)
        for part in provider.split(spec, jsontext.loads(message.payload), message.external_id):
            if (part.object_type, part.external_id) == (self.object_type, self.external_id):
                return {(link.object_type, link.external_id)
                        for link in canonical.references(part.canonical_type, mapper.map(part.raw)).values()}
        return set()
