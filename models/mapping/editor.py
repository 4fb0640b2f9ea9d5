import json
from collections import defaultdict

from markupsafe import Markup

from odoo import api, fields, models
from odoo.fields import Command, Domain

from ...connectors import canonical
from ..sync.mapper import field_label, plain, try_rule
from ..sync.personal import EMAIL, MASK, Personal, replaced
from .discover import suggest, used_paths

RARE = 0.05


class PsaMapping(models.Model):
    """The editor: a real record on the left, what the rules make of it on the right, the source's fields below."""

    _inherit = "psa.mapping"

    sample_message_id = fields.Many2one(
        "psa.message", "Try on Record", index="btree_not_null", ondelete="set null", copy=False,
        domain="[('stream_id', '=', stream_id), ('operation', '=', 'upsert')]",
        help="The stored record that the rules are tried on; empty: the newest one.")
    sample_raw = fields.Text("As It Came", compute="_compute_sample")
    sample_name = fields.Char("Record", compute="_compute_sample")
    sample_problem_count = fields.Integer("Problems on This Record", compute="_compute_sample_problem_count")
    missing = fields.Char("Required and Missing", compute="_compute_missing")
    conflict_count = fields.Integer("Ownership Conflicts", compute="_compute_conflict_count")
    source_fields = fields.Html("Fields of the Source", compute="_compute_source_fields", sanitize=False)

    # === THE RECORD === #
    def _sample(self):
        """Return ``(message, raw record)``; an empty message and None when nothing is stored."""
        self.ensure_one()
        stream = self.stream_id
        message = self.sample_message_id.sudo().filtered("payload") or self.env["psa.message"].sudo().search([
            ("stream_id", "=", stream.id), ("operation", "=", "upsert"), ("payload", "!=", False)],
            order="id desc", limit=1)
        if not message:
            return message, None
        provider, spec = stream._declaration(stream._origin.id)
        raws = stream._raws_of(provider, spec, message.external_id, message.payload)
        return message, raws[0] if raws else None

    def _hidden(self, raw):
        """Return which texts of ``raw`` this user does not see: a test of a text, or None for who sees personal data.

        What is personal is said by the version in force and by this one.
        """
        if self.env.su or self.env.user.has_group("psa_hub.group_personal"):
            return None
        active = self._active_by_stream(self.stream_id._origin.ids)
        values = {text for mapping_id in active.values() for text in
                  self._frozen_mapper(mapping_id).personal_values(raw)}
        lists = self._list_paths()
        for line in self.line_ids.filtered("personal"):
            found, _value, _problem = try_rule(self.canonical_type, line._rule(), line._raw_for(raw, lists))
            if isinstance(found, str):
                values.add(found)
        is_personal = Personal(values, parts=True)
        return lambda text: is_personal(text) or EMAIL.search(text)

    def _masked(self, raw):
        """Return ``raw`` as this user may see it."""
        hidden = self._hidden(raw)
        return replaced(raw, hidden, MASK) if hidden else raw

    def _list_paths(self):
        """Return ``{canonical field: path}`` of the rules."""
        return {line.canonical_field: line.path for line in self.line_ids if line.path}

    @api.depends("sample_message_id", "stream_id", "line_ids.personal")
    @api.depends_context("uid")
    def _compute_sample(self):
        for mapping in self:
            message, raw = mapping._sample()
            mapping.sample_name = message.display_name if message else self.env._("No record is stored yet")
            mapping.sample_raw = json.dumps(
                plain(mapping._masked(raw)), indent=2, ensure_ascii=False) if raw is not None else ""

    @api.depends("line_ids.problem")
    def _compute_sample_problem_count(self):
        for mapping in self:
            mapping.sample_problem_count = len(mapping.line_ids.filtered("problem"))

    @api.depends("line_ids.conflict")
    def _compute_conflict_count(self):
        for mapping in self:
            mapping.conflict_count = len(mapping.line_ids.filtered("conflict"))

    @api.depends("line_ids.canonical_field", "canonical_type")
    def _compute_missing(self):
        for mapping in self:
            named = set(mapping.line_ids.mapped("canonical_field"))
            mapping.missing = ", ".join(
                field_label(name) for name, spec in mapping._canonical_fields().items()
                if spec.required and name not in named and (
                    "." not in name or name.partition(".")[0] in named)) or False

    def _canonical_fields(self):
        """Return ``{name: Field}`` of all fields that can be mapped, those of lines dotted."""
        specs = canonical.TYPES[self.canonical_type].fields if self.canonical_type in canonical.TYPES else {}
        return specs | {
            f"{name}.{inner}": line for name, spec in specs.items() for inner, line in spec.lines.items()}

    # === THE SOURCE'S FIELDS === #
    @api.depends("stream_id", "line_ids.path", "line_ids.personal")
    @api.depends_context("uid")
    def _compute_source_fields(self):
        for mapping in self:
            found, total = mapping.stream_id._origin._source_fields(
                masked=mapping._masked) if mapping.stream_id else ({}, 0)
            used = used_paths((line.canonical_field or "", line.path or "") for line in mapping.line_ids)
            new = set(mapping.stream_id.drift.get("new", ())) if mapping.stream_id.drift else set()
            mapping.source_fields = mapping._source_table(found, total, used, new)

    def _source_table(self, found, total, used, new):
        if not found:
            return Markup("<p class='text-muted'>%s</p>") % self.env._(
                "Nothing is stored yet and the system describes no fields.")
        badge = Markup(" <span class='badge text-bg-%s'>%s</span>")
        rows = Markup().join(
            Markup("<tr class='%s'><td><code>%s</code>%s%s</td><td>%s</td>"
                   "<td class='text-end text-nowrap' data-label='%s'>%s</td>"
                   "<td class='text-break text-muted'>%s</td><td data-label='→'>%s</td></tr>") % (
                "text-muted" if not item.count and path not in used else "",
                path,
                badge % ("info", self.env._("new")) if path in new else "",
                badge % ("secondary", self.env._("custom")) if item.custom else "",
                item.label or item.kind, self.env._("Filled"), f"{100 * item.count / total:.0f} %" if total else "–",
                " · ".join(item.samples),
                ", ".join(field_label(name) for name in sorted(used.get(path, ()))))
            for path, item in sorted(found.items(), key=lambda pair: (pair[0] not in used, -pair[1].count, pair[0])))
        return Markup(
            "<p class='text-muted'>%s</p><div class='table-responsive'>"
            "<table class='table table-sm o_psa_stacked o_psa_source_fields'><thead><tr><th>%s</th><th>%s</th>"
            "<th class='text-end'>%s</th><th>%s</th><th>%s</th></tr></thead>"
            "<tbody>%s</tbody></table></div>") % (
            self.env._("Seen in the last %s stored records.", total), self.env._("Path"), self.env._("What"),
            self.env._("Filled"), self.env._("For example"), self.env._("Becomes"), rows)

    # === ACTIONS === #
    def action_suggest(self):
        """Add a rule for each field that has none and that a field of the source is named like."""
        self.ensure_one()
        self.check_access("write")
        self._check_draft()
        named = set(self.line_ids.mapped("canonical_field"))
        paths = self._free_paths()
        commands = []
        for name, spec in self._canonical_fields().items():
            if name in named or "." in name or spec.kind in (canonical.LINES, canonical.REFERENCE):
                continue
            if path := suggest(name, paths):
                commands.append(Command.create({"canonical_field": name, "path": path, "sequence": 100}))
                paths.remove(path)
        if commands:
            self.line_ids = commands
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "info",
                "message": self.env._("%s rules were added. Look at their results.", len(commands))
                if commands else self.env._("No field of the source is named like one that has no rule."),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def action_describe(self):
        """Ask the system which fields its records have."""
        self.ensure_one()
        self.check_access("write")
        return self.stream_id.action_describe()

    def _free_paths(self):
        """Return the list of source paths with plain values that no rule reads, outside of lists."""
        found, _total = self.stream_id._origin._source_fields()
        used = used_paths((line.canonical_field or "", line.path or "") for line in self.line_ids)
        return [path for path, item in found.items()
                if path not in used and "[]" not in path and item.kind not in ("list", "group")]

    # === WHO ELSE WRITES === #
    def _rival_lines(self):
        """Return ``{canonical type: {canonical field: [line of another connection's map in force]}}``.

        Master data only: each record of work comes from one system.
        """
        types = {mapping.canonical_type for mapping in self
                 if mapping.canonical_type in canonical.TYPES
                 and canonical.TYPES[mapping.canonical_type].lane == "master"}
        lines = self.env["psa.mapping.line"].sudo().search(Domain([
            ("mapping_id.state", "=", "active"), ("mapping_id.canonical_type", "in", sorted(types)),
            ("mapping_id.stream_id.active", "=", True), ("mapping_id.connection_id.active", "=", True),
            ("mapping_id.company_id", "in", self.env.companies.ids), ("owner", "!=", "odoo"),
        ])) if types else self.env["psa.mapping.line"]
        result = defaultdict(lambda: defaultdict(list))
        for line in lines:
            result[line.mapping_id.canonical_type][line.canonical_field].append(line)
        return result
