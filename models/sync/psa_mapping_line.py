from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ...connectors import canonical
from .path import PathError, compile_path

TRANSFORMS = [
    ("none", "None"),
    ("strip", "Strip blanks"),
    ("upper", "Upper case"),
    ("lower", "Lower case"),
    ("date_of_instant", "Date of a time stamp"),
    ("negate", "Change the sign"),
    ("percent_to_ratio", "Percent to ratio"),
    ("boolean_not", "True becomes false"),
    ("join_lines", "Join a list into lines"),
]
OWNERS = [
    ("source", "Source"),
    ("odoo", "Odoo"),
    ("source_until_edit", "Source until edited in Odoo"),
]


class PsaMappingLine(models.Model):
    """Where one canonical field comes from. Lines of a version that is or was in force are frozen."""

    _name = "psa.mapping.line"
    _description = "Field Map Line"
    _rec_name = "canonical_field"
    _order = "mapping_id, sequence, id"

    mapping_id = fields.Many2one("psa.mapping", required=True, index=True, ondelete="cascade")
    sequence = fields.Integer(default=10)
    canonical_field = fields.Char("Field", required=True, help="Dotted for a field of a line: lines.quantity.")
    path = fields.Char(
        help="JMESPath over the raw record, for a field of a line over the raw line. Empty: the constant.")
    constant = fields.Char(help="The value when there is no path, or when the path finds nothing.")
    transform = fields.Selection(TRANSFORMS, required=True, default="none")
    required = fields.Boolean(help="A record without it is held, although the record type could do without.")
    refers_to = fields.Char(help="Object type at the source that a link points to.")
    owner = fields.Selection(
        OWNERS, required=True, default="source",
        help="Who wins when the record exists: the source, Odoo (the field is set once), or the source until a person "
             "changes the field in Odoo.")

    personal = fields.Boolean(
        compute="_compute_personal", store=True, readonly=False, precompute=True,
        help="The value tells something about a person. Whoever has no right to see personal data sees it masked.")

    _field_uniq = models.Constraint(
        "UNIQUE(mapping_id, canonical_field)", "Each field has one line in a version.")

    @api.depends("canonical_field", "mapping_id.canonical_type")
    def _compute_personal(self):
        for line in self:
            line.personal = line._is_personal_by_nature()

    def _is_personal_by_nature(self):
        """Return what the vocabulary says about the field, whatever people have marked."""
        name, _dot, inner = (self.canonical_field or "").partition(".")
        known = canonical.TYPES.get(self.mapping_id.canonical_type)
        spec = known and known.fields.get(name)
        spec = spec.lines.get(inner) if spec and inner else spec
        return bool(spec and spec.personal)

    @api.constrains("path")
    def _check_path(self):
        for line in self.filtered("path"):
            try:
                compile_path(line.path)
            except PathError as error:
                raise ValidationError(self.env._(
                    "%(field)s: “%(path)s” is not a path (%(reason)s).",
                    field=line.canonical_field, path=line.path, reason=str(error).splitlines()[0])) from error

    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        lines.mapping_id._note_change()
        return lines

    def write(self, vals):
        if vals.keys() - {"personal"}:
            self.mapping_id._note_change()
        else:  # who may see a value does not change what it became
            self.env.registry.clear_cache()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_if_draft(self):
        self.mapping_id._note_change()

    @api.model
    def _from_default(self, name, rule, sequence):
        """Return create values of a connector's default rule: a path, or a dict of fields of a line."""
        rule = {"path": rule} if isinstance(rule, str) else rule
        unknown = set(rule) - {"path", "constant", "transform", "required", "refers_to", "owner"}
        if unknown:
            raise ValueError(f"{name}: a rule has no {', '.join(sorted(unknown))}")
        return {"canonical_field": name, "sequence": sequence, **rule}
