from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ... import connectors


class PsaConnectionSetting(models.Model):
    """One line of a connection's form: a plain setting, or a package that is switched on or off.

    Which lines there are is the connector's declaration; people fill them in.
    """

    _name = "psa.connection.setting"
    _description = "Connection Setting"
    _order = "connection_id, kind desc, id"

    connection_id = fields.Many2one("psa.connection", required=True, ondelete="cascade", index=True)
    kind = fields.Selection([("text", "Setting"), ("package", "Package")], required=True, default="text")
    code = fields.Char(required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)
    value = fields.Char()
    enabled = fields.Boolean()
    required = fields.Boolean(readonly=True)
    help = fields.Char(readonly=True)

    _code_uniq = models.Constraint(
        "UNIQUE(connection_id, kind, code)", "Each setting can be given once per connection.")

    @api.model_create_multi
    def create(self, vals_list):
        settings = super().create(vals_list)
        settings._changed()
        return settings

    def write(self, vals):
        result = super().write(vals)
        self._changed()
        if "enabled" in vals:
            self.connection_id._declare()
        return result

    def _changed(self):
        self.env.registry.clear_cache()

    @api.model
    def _declared(self, connection):
        """Return ``{(kind, code): create values}`` of the lines that the connector declares."""
        connector = connection._connector()
        lines = {
            ("text", item.code): {"name": item.label, "value": item.default, "required": item.required,
                                  "help": item.help}
            for provider in connection._providers().values() for item in provider.settings}
        lines |= {
            ("package", code): {"name": package.label, "enabled": False}
            for code, package in connectors.packages(connector.code).items()}
        return {
            (kind, code): {"connection_id": connection.id, "kind": kind, "code": code, **values}
            for (kind, code), values in lines.items()}

    @api.model
    def _store(self, connections, kind, column):
        """Write the Json value of each connection (dict of settings, or list of package codes) to its lines."""
        for connection in connections:
            if kind == "text":
                given = dict(connection.settings or {})
            else:
                given = dict.fromkeys(connection.package_codes or [], True)
            declared = {code: values for (line_kind, code), values in self._declared(connection).items()
                        if line_kind == kind}
            if unknown := given.keys() - declared.keys():
                raise ValidationError(self.env._(
                    "%(system)s has no setting or package named %(codes)s.",
                    system=connection._connector().label, codes=", ".join(sorted(unknown))))
            lines = {line.code: line for line in self.search([
                ("connection_id", "=", connection.id), ("kind", "=", kind)])}
            self.create([
                {**values, **({column: given[code]} if code in given else {})}
                for code, values in declared.items() if code not in lines])
            for code, line in lines.items():
                value = given.get(code, False if kind == "package" else line.value)
                if line[column] != value:
                    line[column] = value
