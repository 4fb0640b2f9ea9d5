from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

#: Domains whose target is an Odoo record, with its model. The others have a code of ``CODES``.
RECORD_DOMAINS = {
    "company": "res.company",
    "payment_term": "account.payment.term",
    "tax_profile": "account.fiscal.position",
    "project_template": "project.project",
    "product": "product.product",
    "role": "psa.role",
    "expense_category": "product.product",
}
#: Codes that a value of a domain may mean; for a record domain they mean "deliberately no record".
CODES = {
    "billing_method": ("time_material", "fixed_fee", "milestone"),
    "tax_profile": ("domestic",),
    "project_template": ("none",),
}
DOMAINS = [
    ("company", "Legal entity"),
    ("payment_term", "Payment terms"),
    ("tax_profile", "Tax profile"),
    ("project_template", "Project template"),
    ("billing_method", "Billing method"),
    ("role", "Role"),
    ("expense_category", "Expense category"),
    ("product", "Product"),
]


def value_key(connection_id, domain, source_value):
    """Return the subject of the exception that an unknown value raises; every message that needs it waits for it."""
    return f"value:{connection_id}:{domain}:{source_value}"


class PsaValueMap(models.Model):
    """What a word of the source (a role, a legal entity, a tax profile) means in Odoo.

    The most specific row wins: connection and company, then connection, then company, then neither. An unknown word
    makes a row without a target and one exception; giving it a target releases every message that it holds.
    """

    _name = "psa.value.map"
    _description = "Value Map"
    _order = "domain, source_value, id"
    _rec_name = "source_value"
    _check_company_auto = True

    # === FIELDS === #
    connection_id = fields.Many2one(
        "psa.connection", index="btree_not_null", ondelete="cascade", help="Empty: for every connection.")
    company_id = fields.Many2one(
        "res.company", index="btree_not_null", ondelete="cascade",
        help="Only for records of this company; empty: for all.")
    domain = fields.Selection(DOMAINS, "Kind", required=True)
    source_value = fields.Char("Value at the Source", required=True)
    target_ref = fields.Reference(
        [("res.company", "Company"), ("account.payment.term", "Payment Terms"),
         ("account.fiscal.position", "Fiscal Position"), ("project.project", "Project"),
         ("product.product", "Product"), ("psa.role", "Role")],
        "Means",
    )
    target_code = fields.Char(
        "Means (Code)", help="Billing method: time_material, fixed_fee or milestone. Tax profile: domestic (no fiscal "
                             "position). Project template: none.")
    state = fields.Selection(
        [("mapped", "Mapped"), ("unknown", "Unknown")], compute="_compute_state", store=True, precompute=True)
    use_count = fields.Integer("Messages Held", compute="_compute_use_count")

    _value_uniq = models.UniqueIndex(
        "(domain, source_value, COALESCE(connection_id, 0), COALESCE(company_id, 0))",
        "This value is mapped already.")

    @api.constrains("domain", "target_ref", "target_code")
    def _check_target(self):
        for value_map in self:
            model_name, codes = RECORD_DOMAINS.get(value_map.domain), CODES.get(value_map.domain, ())
            if value_map.target_ref and value_map.target_ref._name != model_name:
                raise ValidationError(self.env._(
                    "“%(value)s” cannot mean a %(record)s.", value=value_map.source_value,
                    record=value_map.target_ref._description))
            if value_map.target_code and value_map.target_code not in codes:
                raise ValidationError(self.env._(
                    "“%(code)s” is not a code for “%(value)s”. Known codes: %(codes)s.",
                    code=value_map.target_code, value=value_map.source_value, codes=", ".join(codes) or "-"))
            if value_map.target_ref and value_map.target_code:
                raise ValidationError(self.env._(
                    "“%s” can mean a record or a code, not both.", value_map.source_value))

    # === COMPUTE === #
    @api.depends("target_ref", "target_code")
    def _compute_state(self):
        for value_map in self:
            value_map.state = "mapped" if value_map.target_ref or value_map.target_code else "unknown"

    def _compute_use_count(self):
        keys = {value_map: value_map._held_keys() for value_map in self}
        counts = dict(self.env["psa.message"].sudo()._read_group(
            [("wait_key", "in", sorted(set().union(*keys.values()))), ("state", "in", ("waiting", "held"))],
            ["wait_key"], ["__count"]))
        for value_map in self:
            value_map.use_count = sum(counts.get(key, 0) for key in keys[value_map])

    def _held_keys(self):
        """Return the wait keys of the messages that this row holds, or held before it had a target."""
        self.ensure_one()
        connections = self.connection_id or self.env["psa.connection"].sudo().search([("active", "in", (True, False))])
        return {value_key(connection.id, self.domain, self.source_value) for connection in connections}

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        value_maps = super().create(vals_list)
        value_maps._release_held()
        return value_maps

    def write(self, vals):
        result = super().write(vals)
        if vals.keys() & {"target_ref", "target_code", "connection_id", "company_id", "domain", "source_value"}:
            self._release_held()
        return result

    def _release_held(self):
        """Let the messages go that waited for the rows which have a target now.

        A row for every connection makes the empty rows of single connections needless.
        """
        mapped = self.filtered(lambda value_map: value_map.state == "mapped")
        general = mapped.filtered(lambda value_map: not value_map.connection_id and not value_map.company_id)
        if general:
            empty = Domain([("state", "=", "unknown"), ("connection_id", "!=", False), ("company_id", "=", False)])
            same = Domain.OR(
                Domain([("domain", "=", row.domain), ("source_value", "=", row.source_value)]) for row in general)
            self.sudo().search(empty & same).unlink()
        keys = set().union(*(value_map._held_keys() for value_map in mapped))
        if keys:
            self.env["psa.message"].sudo()._release_now(keys)

    # === BUSINESS === #
    @api.model
    def _lookup(self, connection, wanted):
        """Translate values in one query.

        :param wanted: set of ``(domain, source value, company id)``
        :return: ``{(domain, source value, company id): recordset or code}`` of the known ones
        """
        if not wanted:
            return {}
        self.flush_model()
        pairs = sorted({(domain, value) for domain, value, _company_id in wanted})
        rows = self.env.execute_query(SQL(
            """
            SELECT map.domain, map.source_value, map.connection_id, map.company_id, map.target_ref, map.target_code
              FROM unnest(%s::text[], %s::text[]) AS wanted(domain, source_value)
              JOIN psa_value_map map ON map.domain = wanted.domain AND map.source_value = wanted.source_value
             WHERE (map.connection_id IS NULL OR map.connection_id = %s) AND map.state = 'mapped'
          ORDER BY (map.connection_id IS NOT NULL), (map.company_id IS NOT NULL)
            """,
            [domain for domain, _value in pairs], [value for _domain, value in pairs], connection.id))
        candidates = {}
        for domain, value, _connection_id, company_id, target_ref, target_code in rows:
            candidates.setdefault((domain, value), []).append((company_id, target_ref or "", target_code))
        alive = self._existing({ref for found in candidates.values() for _company, ref, _code in found if ref})
        result = {}
        for domain, value, company_id in wanted:
            for row_company_id, ref, code in candidates.get((domain, value), ()):  # the last one is the most specific
                target = alive.get(ref) if ref else code
                if target and row_company_id in (None, company_id):
                    result[domain, value, company_id] = target
        return result

    def _existing(self, references):
        """Return ``{"model,id": record}`` of those that still exist, one query a model."""
        ids_by_model = {}
        for reference in references:
            model_name, _comma, record_id = reference.partition(",")
            ids_by_model.setdefault(model_name, set()).add(int(record_id))
        result = {}
        for model_name, ids in ids_by_model.items():
            for record in self.env[model_name].browse(sorted(ids)).exists():
                result[f"{model_name},{record.id}"] = record
        return result

    @api.model
    def _note_unknown(self, connection, wanted):
        """Make rows without a target for values nobody has mapped, so that a person only has to fill them in.

        :param wanted: set of ``(domain, source value)``
        :return: ``{(domain, source value): id}``
        """
        pairs = sorted(wanted)
        domains, values = [domain for domain, _value in pairs], [value for _domain, value in pairs]
        self.env.execute_query(SQL(
            """
            INSERT INTO psa_value_map (connection_id, domain, source_value, state,
                                       create_uid, create_date, write_uid, write_date)
            SELECT %(connection)s, domain, source_value, 'unknown', %(uid)s, %(now)s, %(uid)s, %(now)s
              FROM unnest(%(domains)s::text[], %(values)s::text[]) AS wanted(domain, source_value)
            ON CONFLICT DO NOTHING RETURNING id
            """,
            connection=connection.id, uid=self.env.uid, now=self.env.cr.now(), domains=domains, values=values))
        rows = self.env.execute_query(SQL(
            """
            SELECT map.domain, map.source_value, map.id
              FROM unnest(%s::text[], %s::text[]) AS wanted(domain, source_value)
              JOIN psa_value_map map ON map.domain = wanted.domain AND map.source_value = wanted.source_value
             WHERE map.connection_id = %s AND map.company_id IS NULL
            """, domains, values, connection.id))
        return {(domain, value): map_id for domain, value, map_id in rows}
