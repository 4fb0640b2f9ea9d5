from odoo import fields, models


class BenchRow(models.Model):
    """The one row that the bare route inserts."""

    _name = "psa.bench.row"
    _description = "Benchmark row"

    name = fields.Char(required=True)
    payload = fields.Text()
