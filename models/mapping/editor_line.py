import json

from odoo import api, fields, models

from ..sync.mapper import Rule, field_label, try_rule
from ..sync.path import PathError, compile_path
from ..sync.personal import MASK
from .discover import suggest

_SHOWN = 120


class PsaMappingLine(models.Model):
    """What a rule finds in the chosen record and makes of it, while it is edited."""

    _inherit = "psa.mapping.line"

    label = fields.Char("Means", compute="_compute_label")
    type_required = fields.Boolean("Always Needed", compute="_compute_label", help="Nothing works without it.")
    found = fields.Char(compute="_compute_result", help="What the path finds in the chosen record.")
    result = fields.Char(compute="_compute_result", help="What the hub goes on with.")
    problem = fields.Char(compute="_compute_result")
    suggestion = fields.Char(compute="_compute_suggestion", help="Field of the source that is named like this one.")
    rivals = fields.Char("Also From", compute="_compute_rivals", help="Other systems that bring the same field.")
    conflict = fields.Boolean(compute="_compute_rivals", help="Two systems write it: the later change stands.")

    # === COMPUTE === #
    @api.depends("canonical_field", "mapping_id.canonical_type")
    def _compute_label(self):
        for line in self:
            spec = line.mapping_id._canonical_fields().get(line.canonical_field or "")
            line.label = field_label(line.canonical_field) if line.canonical_field else False
            line.type_required = bool(spec and spec.required)

    @api.depends("canonical_field", "path", "constant", "transform", "required", "refers_to", "personal",
                 "mapping_id.sample_message_id", "mapping_id.line_ids.path", "mapping_id.canonical_type")
    @api.depends_context("uid")
    def _compute_result(self):
        for mapping, lines in self.grouped("mapping_id").items():
            _message, raw = mapping._sample() if mapping.stream_id else (None, None)
            lists = mapping._list_paths()
            hidden = mapping._hidden(raw) if raw is not None else None
            for line in lines:
                line.found = line.result = line.problem = False
                if raw is None or not line.canonical_field:
                    continue
                found, value, problem = try_rule(mapping.canonical_type, line._rule(), line._raw_for(raw, lists))
                line.found, line.result = (
                    MASK if shown and hidden and hidden(shown) else shown for shown in (_shown(found), _shown(value)))
                line.problem = problem or False

    def _rule(self):
        self.ensure_one()
        return Rule(self.canonical_field, self.path or "", self.constant or "", self.transform or "none",
                    self.required, self.refers_to or "", self.owner or "source", self.personal)

    def _raw_for(self, raw, lists):
        """Return what the path is over: ``raw``, for a field of a line the first line in it."""
        outer, _dot, inner = self.canonical_field.partition(".")
        if not inner:
            return raw
        try:
            found = compile_path(lists[outer])(raw) if outer in lists else None
        except PathError:
            found = None  # the rule of the list says so itself
        return found[0] if isinstance(found, list) and found else {}

    @api.depends("canonical_field", "path", "constant", "mapping_id.stream_id")
    def _compute_suggestion(self):
        for mapping, lines in self.grouped("mapping_id").items():
            empty = lines.filtered(lambda line: line.canonical_field and not line.path and not line.constant)
            (lines - empty).suggestion = False
            paths = mapping._free_paths() if empty and mapping.stream_id else []
            for line in empty:
                line.suggestion = suggest(line.canonical_field, paths) or False

    @api.depends("canonical_field", "owner", "mapping_id.stream_id.ownership")
    @api.depends_context("allowed_company_ids")
    def _compute_rivals(self):
        rivals = self.mapping_id._rival_lines()
        for line in self:
            mapping = line.mapping_id
            others = [other for other in rivals[mapping.canonical_type][line.canonical_field]
                      if other.mapping_id.connection_id != mapping.connection_id._origin]
            ownership = dict(self.env["psa.stream"]._fields["ownership"]._description_selection(self.env))
            line.rivals = "; ".join(
                f"{other.mapping_id.connection_id.name} ({ownership[other.mapping_id.stream_id.ownership].lower()})"
                for other in others) or False
            line.conflict = line.owner != "odoo" and any(
                "source" in (mapping.stream_id.ownership, other.mapping_id.stream_id.ownership)
                and not {"fill", "link"} & {mapping.stream_id.ownership, other.mapping_id.stream_id.ownership}
                for other in others)

    # === ACTIONS === #
    def action_use_suggestion(self):
        """Take the suggested path."""
        self.check_access("write")
        for line in self.filtered("suggestion"):
            line.path = line.suggestion
        return True


def _shown(value):
    """Return a JSON-ready value as a short text."""
    if value is None:
        return False
    if isinstance(value, dict) and set(value) == {"object_type", "external_id"}:
        return f"{value['object_type']} {value['external_id']}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
