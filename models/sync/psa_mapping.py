from odoo import api, fields, models, tools
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ...connectors import canonical
from .mapper import Mapper, Rule

STATES = [
    ("draft", "Draft"),
    ("simulated", "Simulated"),
    ("approved", "Approved"),
    ("active", "In force"),
    ("retired", "Retired"),
]
#: States in which the fields can be changed; a change makes a draft of it again.
OPEN_STATES = ("draft", "simulated")
_BY_BUTTON = {"state", "version", "active_from", "author_ids"}

class PsaMapping(models.Model):
    """One version of how a stream's raw records become canonical ones.

    A draft can be edited until it is approved. Putting it in force retires the version before it; from then on it is
    frozen: messages carry the version that read them, so what they became stays explainable. To change a field map,
    make a new version of it.
    """

    _name = "psa.mapping"
    _description = "Field Map"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "stream_id, version desc"
    _check_company_auto = True

    # === FIELDS === #
    stream_id = fields.Many2one("psa.stream", required=True, index=True, ondelete="cascade")
    connection_id = fields.Many2one(related="stream_id.connection_id", store=True, index=True)
    company_id = fields.Many2one(related="stream_id.company_id", store=True, index=True)
    canonical_type = fields.Char(related="stream_id.canonical_type", store=True)
    version = fields.Integer(aggregator=None, required=True, readonly=True, copy=False, default=1)
    state = fields.Selection(STATES, required=True, readonly=True, default="draft")
    active_from = fields.Datetime("In Force Since", readonly=True, copy=False)
    author_ids = fields.Many2many(
        "res.users", "psa_mapping_author_rel", string="Authors", readonly=True, copy=False,
        help="Who has made or changed this version: none of them may approve it.")
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
            if not self.env.su and (vals.get("state", "draft") != "draft" or vals.keys() & _BY_BUTTON - {
                    "state", "version"}):
                raise UserError(self.env._("A new field map is a draft."))
            last[vals["stream_id"]] = vals["version"] = last.get(vals["stream_id"], 0) + 1
        mappings = super().create(vals_list)
        mappings._note_change()
        return mappings

    def write(self, vals):
        if vals.keys() & {"stream_id", "line_ids"}:
            self._note_change()
        if not self.env.su and vals.keys() & _BY_BUTTON:
            raise UserError(self.env._("Put a field map in force with its buttons."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_if_draft(self):
        self._check_draft()

    def copy_data(self, default=None):
        return [{**vals, "state": "draft"} for vals in super().copy_data(default)]

    def _check_draft(self):
        """:raise UserError: a version that is approved, or is or was in force"""
        if frozen := self.filtered(lambda mapping: mapping.state not in OPEN_STATES):
            raise UserError(self.env._(
                "%s is approved or was in force and cannot be changed. Make a new version of it.",
                frozen[0].display_name))

    def _note_change(self):
        """The user is about to change the fields of these: what was simulated says nothing any more.

        :raise UserError: see :meth:`_check_draft`
        """
        self._check_draft()
        for mapping in self.sudo():
            values = {} if mapping.state == "draft" else {"state": "draft"}
            if self.env.user not in mapping.author_ids:
                values["author_ids"] = [fields.Command.link(self.env.uid)]
            if values:
                mapping.write(values)

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

    def _put_in_force(self, event="mapping.activate", reason=None):
        """Use these from the next message on; the versions before them retire. Who may do so is asked elsewhere."""
        for mapping in self:
            mapping._check_complete()
        previous = self.sudo().search([
            ("stream_id", "in", self.stream_id.ids), ("state", "=", "active"), ("id", "not in", self.ids)])
        previous.write({"state": "retired"})
        previous.flush_recordset()
        self.sudo().write({"state": "active", "active_from": fields.Datetime.now()})
        self.env["psa.audit"]._log([
            {"event": event, "res_model": self._name, "res_id": mapping.id, "reason": reason,
             "company_id": mapping.company_id.id,
             "before": {"version": previous.filtered(lambda old, new=mapping: old.stream_id == new.stream_id).version},
             "after": {"stream": mapping.stream_id.code, "version": mapping.version}}
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
        mappings._put_in_force()
        return mappings

    def _rules(self):
        self.ensure_one()
        return [
            Rule(line.canonical_field, line.path or "", line.constant or "", line.transform, line.required,
                 line.refers_to or "", line.owner, line.personal)
            for line in self.line_ids
        ]

    def _mapper(self):
        """Return this version compiled; kept in memory once it cannot change any more."""
        self.ensure_one()
        if self.state in OPEN_STATES:
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
