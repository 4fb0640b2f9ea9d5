from odoo import api, fields, models, tools
from odoo.exceptions import ValidationError

from ... import connectors
from ...connectors import canonical


class PsaStream(models.Model):
    """One object type of a connection, read or written."""

    _name = "psa.stream"
    _description = "Stream"
    _order = "connection_id, direction, sequence, id"
    _check_company_auto = True

    # === FIELDS === #

    connection_id = fields.Many2one("psa.connection", required=True, ondelete="cascade", index=True, readonly=True)
    company_id = fields.Many2one(related="connection_id.company_id", store=True, index=True)
    provider_code = fields.Char(
        "Declared By", required=True, readonly=True, help="Connector or package that declares the stream.")
    code = fields.Char(required=True, readonly=True)
    name = fields.Char(required=True)
    object_type = fields.Char(readonly=True, help="The system's own name of the object; empty for write-backs.")
    canonical_type = fields.Char("Record Type", required=True, readonly=True)
    direction = fields.Selection([("in", "Read"), ("out", "Write back")], required=True, readonly=True)
    sequence = fields.Integer(default=10, help="Order within a batch: what others refer to comes first.")
    lane = fields.Selection(
        [("master", "Master data"), ("transaction", "Transactions"), ("outbound", "Write-back")],
        compute="_compute_lane", store=True, precompute=True)
    active = fields.Boolean(default=True)

    mode = fields.Selection(
        [("poll", "Poll"), ("webhook", "Webhook"), ("both", "Webhook and poll")], required=True, default="poll",
        help="Webhook and poll: the system's notices are fast, the poll finds what they missed.")
    near_real_time = fields.Boolean(
        help="What money waits for: it goes first when several streams are due. Off: it comes in batches.")
    interval_minutes = fields.Integer("Read Every", default=15, required=True)
    overlap_seconds = fields.Integer(
        "Step Back", default=600, required=True,
        help="Each read steps back by this much, because systems commit records later than their time stamp says.")
    page_size = fields.Integer("Records per Page", default=500, required=True)
    page_limit = fields.Integer(
        "Pages per Run", default=1000, required=True, help="The next run goes on from there.")
    cursor = fields.Json(readonly=True, copy=False)
    watermark = fields.Char(
        "Complete Up To", readonly=True, copy=False, help="Up to which moment the stream is known to be complete.")
    next_pull_at = fields.Datetime("Next Read", copy=False, index=True)
    last_pull_at = fields.Datetime("Last Attempt", readonly=True, copy=False)
    last_success_at = fields.Datetime("Last Read", readonly=True, copy=False)
    last_error = fields.Char(readonly=True, copy=False)
    blocked_reason = fields.Char(
        readonly=True, copy=False, help="The right that is missing. The stream rests until the next good check.")

    ownership = fields.Selection(
        [
            ("auto", "First to bring it"),
            ("source", "This stream"),
            ("fill", "Fills gaps only"),
            ("link", "Links only"),
        ],
        "Who Owns Records", required=True, default="auto",
        help="Who changes a record that several systems know. First to bring it: the system that brought or linked the "
             "record first writes it, the others fill what is empty. Links only: nothing is written or made, what is "
             "not recognised waits for a person. Owners of single fields are set in the field map.")

    freshness_minutes = fields.Integer(
        "Late After", default=60, required=True, aggregator=None,
        help="Not read for so long, the stream is shown as late.")

    backfill_state = fields.Selection(
        [("none", "None"), ("running", "Running"), ("done", "Done")], "Back-fill", required=True, default="none",
        readonly=True, copy=False)
    backfill_since = fields.Datetime("Back-fill Since", readonly=True, copy=False)
    backfill_cursor = fields.Json("Back-fill Cursor", readonly=True, copy=False)
    backfill_page_size = fields.Integer("Records per Back-fill Page", default=200, required=True)

    # === CONSTRAINTS === #

    _code_uniq = models.Constraint(
        "UNIQUE(connection_id, direction, code)", "Each stream exists once per connection and direction.")
    _positive = models.Constraint(
        "CHECK(interval_minutes > 0 AND overlap_seconds >= 0 AND page_size > 0 AND page_limit > 0 "
        "AND backfill_page_size > 0 AND freshness_minutes > 0)",
        "Interval, page size, page limit and freshness must be above zero, the overlap not below.")

    @api.constrains("canonical_type", "direction")
    def _check_canonical_type(self):
        for stream in self:
            known = canonical.TYPES if stream.direction == "in" else canonical.OUTBOUND_TYPES
            if stream.canonical_type not in known:
                raise ValidationError(self.env._("There is no record type %s.", stream.canonical_type))

    # === COMPUTE === #

    @api.depends("direction", "canonical_type")
    def _compute_lane(self):
        for stream in self:
            if stream.direction == "out":
                stream.lane = "outbound"
            else:
                stream.lane = canonical.TYPES[stream.canonical_type].lane

    # === CRUD === #

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()  # deliveries find their stream in a cache
        return super().create(vals_list)

    def write(self, vals):
        if "active" in vals:
            self.env.registry.clear_cache()
        return super().write(vals)

    # === BUSINESS === #

    def _provider(self):
        """Return the connector or package that declares this stream."""
        self.ensure_one()
        return connectors.get(self.provider_code)

    @api.model
    @tools.ormcache("stream_id")
    def _declaration(self, stream_id):
        """Return ``(provider, spec)`` of a stream, which are for life: kept in memory, for every batch asks."""
        stream = self.sudo().browse(stream_id)
        return stream._provider(), stream._spec()

    def _spec(self):
        """Return the :class:`StreamSpec` or :class:`OutboundSpec` of this stream."""
        self.ensure_one()
        provider = self._provider()
        return next(spec for spec in (provider.streams if self.direction == "in" else provider.outbound)
                    if spec.code == self.code)
