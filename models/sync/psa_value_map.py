from odoo import fields, models

#: Domains whose target is an Odoo record, with its model; the others have a code.
RECORD_DOMAINS = {
    "company": "res.company",
    "payment_term": "account.payment.term",
    "tax_profile": "account.fiscal.position",
    "project_template": "project.project",
    "product": "product.product",
    "role": "psa.role",
    "expense_category": "product.product",
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


class PsaValueMap(models.Model):
    """What a word of the source (a role, a legal entity, a tax profile) means in Odoo."""

    _name = "psa.value.map"
    _description = "Value Map"
    _order = "domain, source_value, id"
    _rec_name = "source_value"
    _check_company_auto = True

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
    target_code = fields.Char("Means (Code)")
    state = fields.Selection([("mapped", "Mapped"), ("unknown", "Unknown")], required=True, default="mapped",
                             readonly=True)
    use_count = fields.Integer("Messages Held", compute="_compute_use_count")

    _value_uniq = models.UniqueIndex(
        "(domain, source_value, COALESCE(connection_id, 0), COALESCE(company_id, 0))",
        "This value is mapped already.")

    def _compute_use_count(self):
        keys = {value_map: value_map._subject_key() for value_map in self}
        counts = dict(self.env["psa.message"].sudo()._read_group(
            [("wait_key", "in", list(keys.values())), ("state", "in", ("waiting", "held"))],
            ["wait_key"], ["__count"]))
        for value_map in self:
            value_map.use_count = counts.get(keys[value_map], 0)

    def _subject_key(self):
        self.ensure_one()
        return f"value:{self.connection_id.id or 0}:{self.domain}:{self.source_value}"
