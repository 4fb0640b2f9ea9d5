import json

from odoo import api, models, tools
from odoo.fields import NO_ACCESS


class PsaAudited(models.AbstractModel):
    """A setting: who changed it, from what to what, is in the audit trail.

    Only what people set counts. Read-only fields are what the hub notes for itself (cursors, states), and writing them
    costs nothing here.
    """

    _name = "psa.audited"
    _description = "Setting in the Audit Trail"

    #: Read-only fields that count all the same.
    _audited_also = ()

    @api.model
    @tools.ormcache()
    def _audited_fields(self):
        """Return the names of the fields whose changes are kept."""
        never = {*models.MAGIC_COLUMNS, "color", "sequence"}  # and mail's and activities' own
        never |= {name for parent in ("mail.thread", "mail.activity.mixin") for name in self.env[parent]._fields}
        return frozenset(
            name for name, field in self._fields.items()
            if name in self._audited_also or (
                field.store and field.type not in ("binary", "one2many") and not field.readonly
                and field.groups != NO_ACCESS and name not in never
            ))

    def _audited_company_id(self):
        return (self["company_id"] if "company_id" in self._fields else self.env.company).id or self.env.company.id

    def _audited_values(self, names):
        """Return ``{id: {field: JSON value}}``; links as ``[id, name]``."""
        rows = self.sudo().with_context(lang=None).read(sorted(names))
        return {row.pop("id"): json.loads(json.dumps(row, default=str)) for row in rows}

    def _audit_changes(self, event, before, after):
        """Log one row a record: the fields whose value is not the same before and after."""
        entries = []
        for record in self.sudo():
            old, new = before.get(record.id, {}), after.get(record.id, {})
            changed = [name for name in {**old, **new} if (old.get(name) or None) != (new.get(name) or None)]
            if changed:
                entries.append({
                    "event": event, "res_model": self._name, "res_id": record.id,
                    "company_id": record._audited_company_id(),
                    "before": {name: old[name] for name in changed if name in old},
                    "after": {name: new[name] for name in changed if name in new},
                })
        self.env["psa.audit"]._log(entries)

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        if not self.env.context.get("install_mode"):
            records._audit_changes("setting.create", {}, records._audited_values(self._audited_fields()))
        return records

    def write(self, vals):
        names = vals.keys() & self._audited_fields()
        if not names or self.env.context.get("install_mode"):
            return super().write(vals)
        before = self._audited_values(names)
        result = super().write(vals)
        self._audit_changes("setting.change", before, self._audited_values(names))
        return result

    def unlink(self):
        self._audit_changes("setting.delete", self._audited_values(self._audited_fields()), {})
        return super().unlink()
