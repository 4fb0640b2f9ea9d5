from odoo import api, fields, models, tools
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ...connectors import canonical
from .mapper import Mapper, Rule


class PsaMapping(models.Model):
    """One version of how a stream's raw records become canonical ones.

    A draft can be edited. Putting it in force retires the version before it and freezes it: messages carry the version
    that read them, so what they became stays explainable. To change a field map, copy it and put the copy in force.
    """

    _name = "psa.mapping"
    _description = "Field Map"
    _order = "stream_id, version desc"
    _check_company_auto = True

    # === FIELDS === #
    stream_id = fields.Many2one("psa.stream", required=True, index=True, ondelete="cascade")
    connection_id = fields.Many2one(related="stream_id.connection_id", store=True, index=True)
    company_id = fields.Many2one(related="stream_id.company_id", store=True, index=True)
    canonical_type = fields.Char(related="stream_id.canonical_type", store=True)
    version = fields.Integer(required=True, readonly=True, copy=False, default=1)
    state = fields.Selection(
        [("draft", "Draft"), ("active", "In force"), ("retired", "Retired")], required=True, readonly=True,
        default="draft",
    )
    active_from = fields.Datetime("In Force Since", readonly=True, copy=False)
    line_ids = fields.One2many("psa.mapping.line", "mapping_id", "Fields", copy=True)

    _version_uniq = models.Constraint("UNIQUE(stream_id, version)", "A stream has each version once.")
    _active_uniq = models.UniqueIndex("(stream_id) WHERE state = 'active'", "One field map of a stream is in force.")

    # === COMPUTE === #
    @api.depends("stream_id.name", "version")
    def _compute_display_name(self):
        for mapping in self:
            mapping.display_name = self.env._(
                "%(stream)s, version %(version)s", stream=mapping.stream_id.name or "", version=mapping.version)

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        last = dict(self._read_group(
            [("stream_id", "in", [vals["stream_id"] for vals in vals_list])], ["stream_id"], ["version:max"]))
        last = {stream.id: version for stream, version in last.items()}
        for vals in vals_list:
            last[vals["stream_id"]] = vals["version"] = last.get(vals["stream_id"], 0) + 1
        return super().create(vals_list)

    def write(self, vals):
        if vals.keys() & {"stream_id", "line_ids"}:
            self._check_draft()
        if not self.env.su and vals.keys() & {"state", "version", "active_from"}:
            raise UserError(self.env._("Put a field map in force with its button."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_if_draft(self):
        self._check_draft()

    def copy_data(self, default=None):
        return [{**vals, "state": "draft"} for vals in super().copy_data(default)]

    def _check_draft(self):
        """:raise UserError: a version that is or was in force"""
        if frozen := self.filtered(lambda mapping: mapping.state != "draft"):
            raise UserError(self.env._(
                "%s is or was in force and cannot be changed. Make a new version of it.", frozen[0].display_name))

    # === ACTIONS === #
    def action_new_version(self):
        """Open a draft copy of this version."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.copy().id,
            "views": [(False, "form")],
        }

    def action_activate(self):
        """Put these drafts in force from the next message on; the versions before them retire."""
        self.check_access("write")
        self._check_draft()
        for mapping in self:
            mapping._check_complete()
        previous = self.sudo().search([("stream_id", "in", self.stream_id.ids), ("state", "=", "active")])
        previous.write({"state": "retired"})
        previous.flush_recordset()
        self.sudo().write({"state": "active", "active_from": fields.Datetime.now()})
        self.env["psa.audit"]._log([
            {"event": "mapping.activate", "res_model": self._name, "res_id": mapping.id,
             "company_id": mapping.company_id.id, "after": {"stream": mapping.stream_id.code,
                                                            "version": mapping.version}}
            for mapping in self
        ])

    def _check_complete(self):
        """:raise ValidationError: a rule that cannot work, or a required field without a rule"""
        self.ensure_one()
        try:
            mapper = Mapper(self.canonical_type, self._rules())
        except ValueError as error:
            raise ValidationError(str(error)) from error
        mapped = {field.name for field in mapper.fields}
        missing = [name for name, spec in canonical.TYPES[self.canonical_type].fields.items()
                   if spec.required and name not in mapped]
        if missing:
            raise ValidationError(self.env._(
                "%(mapping)s says nothing about: %(fields)s. These fields are required.",
                mapping=self.display_name, fields=", ".join(missing)))

    # === BUSINESS === #
    @api.model
    def _create_default(self, streams):
        """Give each of ``streams`` that is read and has no field map yet its connector's default, in force."""
        streams = streams.filtered(lambda stream: stream.direction == "in" and not stream.mapping_ids)
        wanted = []
        for stream in streams:
            rules = stream._provider().default_mappings().get(stream.code)
            if rules:
                wanted.append({"stream_id": stream.id, "line_ids": [
                    fields.Command.create(self.env["psa.mapping.line"]._from_default(name, rule, sequence))
                    for sequence, (name, rule) in enumerate(rules.items(), 1)
                ]})
        mappings = self.sudo().create(wanted)
        mappings.action_activate()
        return mappings

    def _rules(self):
        self.ensure_one()
        return [
            Rule(line.canonical_field, line.path or "", line.constant or "", line.transform, line.required,
                 line.refers_to or "", line.owner, line.personal)
            for line in self.line_ids
        ]

    def _mapper(self):
        """Return this version compiled; kept in memory once it is frozen."""
        self.ensure_one()
        if self.state == "draft":
            return Mapper(self.canonical_type, self._rules())
        return self._frozen_mapper(self.id)

    @api.model
    @tools.ormcache("mapping_id")
    def _frozen_mapper(self, mapping_id):
        mapping = self.sudo().browse(mapping_id)
        return Mapper(mapping.canonical_type, mapping._rules())

    @api.model
    def _active_by_stream(self, stream_ids):
        """Return ``{stream id: id of the mapping in force}``."""
        self.flush_model(["state"])
        return dict(self.env.execute_query(SQL(
            "SELECT stream_id, id FROM psa_mapping WHERE state = 'active' AND stream_id = ANY(%s)", list(stream_ids))))

    def _map(self, raw):
        """Map ``raw`` for the editor: what each field found and became. Nothing is raised or written.

        :param raw: raw record, for a stream with parts the raw part
        :return: ``(values, trace)``, see :meth:`Mapper.trace`
        """
        return self._mapper().trace(raw)

    def _owned_fields(self):
        """Return ``{canonical field: "odoo" or "source_until_edit"}`` of the fields the source does not simply own."""
        return self._mapper().owners
