from odoo import api, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ..billing.entry_kinds import SOURCE_FIELDS

# So many of each kind are shown, the newest.
LIMIT = 100
# How a page's record leads to the billable entries that it is about.
ENTRY_DOMAINS = {
    "res.partner": lambda record: [("partner_id.commercial_partner_id", "=", record.commercial_partner_id.id)],
    "sale.order": lambda record: [("order_id", "=", record.id)],
    "project.project": lambda record: [("project_id", "=", record.id)],
    "hr.employee": lambda record: [("employee_id", "=", record.id)],
    "account.move": lambda record: [("allocation_ids.move_id", "=", record.id)],
    "psa.entry": lambda record: [("id", "=", record.id)],
    "psa.message": lambda record: [("message_id", "=", record.id)],
    "psa.exception": lambda record: [("exception_id", "=", record.id)],
}


class PsaTimeline(models.AbstractModel):
    """All that happened to one record, in order: from the message that brought it to what the source was told.

    A constant number of queries, whatever the record. The user's own rights decide about messages, entries, exceptions
    and proposals; of invoices and payments the number, state and amount are told of the companies the user works in.
    """

    _name = "psa.timeline"
    _description = "Timeline"

    @api.model
    def get_events(self, res_model, res_id):
        """Return what happened to a record.

        :return: ``{"name": str, "events": [event], "more": [kinds that have older ones]}``; an event is a dict of
            ``at`` (text, UTC), ``kind``, ``title``, ``text``, ``amount``, ``currency_id``, ``res_model``, ``res_id``,
            oldest first
        :raise AccessError: no user of the hub, or no right to read the record
        """
        if not self.env.user.has_group("psa_hub.group_auditor"):
            raise AccessError(self.env._("The timeline is for users of PSA Hub."))
        if res_model not in ENTRY_DOMAINS:
            raise AccessError(self.env._("There is no timeline of this kind of record."))
        record = self.env[res_model].browse(res_id)
        record.check_access("read")
        scope = self._scope(record)
        events, more = [], []
        for kind, found in self._gather(scope).items():
            if len(found) > LIMIT:
                more.append(kind)
            events += found[:LIMIT]
        events.sort(key=lambda event: (event["at"], event["rank"], event["res_id"]))
        return {"name": record.display_name, "events": events, "more": more}

    # === WHAT IT IS ABOUT === #
    def _scope(self, record):
        """Return what belongs to ``record``: entries, their proposals' lines, bindings, messages in and out."""
        entries = self.env["psa.entry"].search(
            [*ENTRY_DOMAINS[record._name](record), ("company_id", "in", self.env.companies.ids)],
            order="work_date desc, id desc", limit=LIMIT + 1)
        subjects = {(record._name, record.id)}
        if record._name == "psa.exception" and record.res_model and record.res_id:
            subjects.add((record.res_model, record.res_id))
        if record._name == "res.partner":
            subjects.add(("res.partner", record.commercial_partner_id.id))
        for kind, of_kind in entries.grouped("kind").items():
            source = SOURCE_FIELDS.get(kind)
            if source in entries._fields:
                subjects |= {(entries._fields[source].comodel_name, source_id)
                             for source_id in of_kind.sudo().mapped(source).ids}
        bindings = self._bindings(subjects)
        known = bindings.sudo().message_id | entries.sudo().message_id
        if record._name == "psa.message":
            known |= record
        elif record._name == "psa.exception":
            known |= record.sudo().psa_message_ids[:LIMIT]
        references = {(row.connection_id.id, row.object_type, row.external_id) for row in (*bindings, *known)}
        references |= {(row.connection_id.id, row.object_type, row.part_of) for row in bindings if row.part_of}
        return {
            "record": record, "entries": entries[:LIMIT], "all_entries": entries, "bindings": bindings,
            "subjects": subjects | {("psa.entry", entry.id) for entry in entries},
            "messages": self._messages(references),
        }

    def _bindings(self, subjects):
        self.env["psa.binding"].flush_model(["res_model", "res_id"])
        models_, ids = zip(*sorted(subjects), strict=True)
        rows = self.env.execute_query(SQL(
            """
            SELECT binding.id FROM unnest(%s::text[], %s::int[]) AS subject(res_model, res_id)
              JOIN psa_binding binding ON binding.res_model = subject.res_model AND binding.res_id = subject.res_id
          ORDER BY binding.id DESC LIMIT %s
            """, list(models_), list(ids), 4 * LIMIT))
        return self.env["psa.binding"].search([("id", "in", [row[0] for row in rows])])

    def _messages(self, references):
        """Return the newest messages, in and out, about these external records."""
        if not references:
            return self.env["psa.message"]
        self.env["psa.message"].flush_model(["connection_id", "object_type", "external_id"])
        connections, types, ids = zip(*sorted(references), strict=True)
        rows = self.env.execute_query(SQL(
            """
            (SELECT message.id
               FROM unnest(%(connections)s::int[], %(types)s::text[], %(ids)s::text[])
                    AS reference(connection_id, object_type, external_id)
               JOIN psa_message message ON message.external_id = reference.external_id
                AND message.object_type = reference.object_type AND message.connection_id = reference.connection_id
              WHERE message.direction = 'in' ORDER BY message.id DESC LIMIT %(limit)s)
            UNION ALL
            (SELECT message.id
               FROM unnest(%(connections)s::int[], %(types)s::text[], %(ids)s::text[])
                    AS reference(connection_id, object_type, external_id)
               JOIN psa_message message ON message.external_id = reference.external_id
                AND message.object_type = reference.object_type AND message.connection_id = reference.connection_id
              WHERE message.direction = 'out' ORDER BY message.id DESC LIMIT %(limit)s)
            """, connections=list(connections), types=list(types), ids=list(ids), limit=LIMIT + 1))
        return self.env["psa.message"].search([("id", "in", [row[0] for row in rows])])


class PsaTimelinePage(models.AbstractModel):
    """A record whose page opens its timeline."""

    _name = "psa.timeline.page"
    _description = "Page with a Timeline"

    def action_psa_timeline(self):
        """Show all that happened to this record, from its source to its payment."""
        self.ensure_one()
        return {
            "type": "ir.actions.client",
            "tag": "psa_hub.timeline",
            "name": self.env._("Timeline of %s", self.display_name),
            "params": {"res_model": self._name, "res_id": self.id},
        }


class PsaExceptionBanner(models.AbstractModel):
    _name = "psa.exception.banner"
    _inherit = ["psa.exception.banner", "psa.timeline.page"]


class PsaEntry(models.Model):
    _name = "psa.entry"
    _inherit = ["psa.entry", "psa.timeline.page"]


class PsaMessage(models.Model):
    _name = "psa.message"
    _inherit = ["psa.message", "psa.timeline.page"]


class PsaException(models.Model):
    _name = "psa.exception"
    _inherit = ["psa.exception", "psa.timeline.page"]
