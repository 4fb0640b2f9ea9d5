from odoo import api, fields, models
from odoo.exceptions import AccessError

#: States in which a message still has to go somewhere; the others are final until a person replays it.
OPEN_STATES = ("pending", "waiting", "retry", "held")
STATES = [
    ("pending", "Pending"),
    ("waiting", "Waiting"),
    ("retry", "Retry"),
    ("held", "Held"),
    ("done", "Done"),
    ("dead", "Dead"),
    ("skipped", "Skipped"),
]
SKIP_REASONS = [
    ("duplicate", "Delivered before"),
    ("stale", "Older than what is applied"),
    ("unchanged", "Nothing changed"),
    ("superseded", "A newer version came"),
    ("out_of_scope", "Out of scope"),
    ("waived", "Waived"),
]


class PsaMessage(models.Model):
    """The queue: one external record in one version on its way in, or one write-back on its way out.

    * ``(stream, dedupe key)`` is unique for ever; purging empties the payload and keeps the row.
    * A row is claimed by locking it; there is no "started" state, so a killed worker leaves nothing behind.
    * ``wait_key`` says what a waiting message waits for (``record:<connection id>:<object type>:<external id>``) or
      what a held one is held by (the subject key of its exception).
    * ``lane`` is ``fetch`` for hints ("re-read this record"): they are served by the stream, not by the drain.
    """

    _name = "psa.message"
    _description = "Message"
    _order = "id desc"
    _check_company_auto = True

    # === FIELDS === #
    connection_id = fields.Many2one("psa.connection", required=True, readonly=True, ondelete="restrict")
    stream_id = fields.Many2one("psa.stream", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one("res.company", required=True, readonly=True, ondelete="restrict")
    direction = fields.Selection([("in", "In"), ("out", "Out")], required=True, readonly=True, default="in")
    lane = fields.Selection(
        [("master", "Master data"), ("transaction", "Transactions"), ("fetch", "Fetch"), ("outbound", "Write-back")],
        required=True, readonly=True,
    )
    dedupe_key = fields.Char(required=True, readonly=True)
    object_type = fields.Char(required=True, readonly=True)
    external_id = fields.Char("External ID", required=True, readonly=True)
    source_version = fields.Char(readonly=True)
    operation = fields.Selection(
        [("upsert", "Create or change"), ("delete", "Delete"), ("merge", "Merge"), ("hint", "Hint"),
         ("push", "Write back")],
        required=True, readonly=True, default="upsert",
    )
    payload = fields.Text(
        readonly=True, prefetch=False, groups="psa_hub.group_personal", help="What came; empty once purged.")
    payload_hash = fields.Char(readonly=True)
    origin = fields.Selection(
        [("pull", "Poll"), ("webhook", "Webhook"), ("fetch", "Fetch"), ("backfill", "Back-fill"), ("replay", "Replay"),
         ("file", "File"), ("hub", "Hub")],
        required=True, readonly=True, default="pull",
    )
    origin_message_id = fields.Many2one("psa.message", "Replay of", readonly=True, index="btree_not_null")
    mapping_id = fields.Many2one(
        "psa.mapping", readonly=True, ondelete="restrict",
        help="Version of the field map that read it last.",
    )

    state = fields.Selection(STATES, required=True, readonly=True, default="pending")
    skip_reason = fields.Selection(SKIP_REASONS, readonly=True)
    attempt_count = fields.Integer("Attempts", readonly=True, default=0)
    next_attempt_at = fields.Datetime("Next Attempt", readonly=True)
    wait_key = fields.Char("Waits For", readonly=True)
    exception_id = fields.Many2one("psa.exception", readonly=True, index="btree_not_null", ondelete="set null")
    decided = fields.Json(
        readonly=True, copy=False, help="What a person decided about it, by cause: with that it goes through.")
    overlay = fields.Json(
        readonly=True, copy=False, groups="psa_hub.group_personal",
        help="Corrections that the field map reads over the content: [[path, JSON text]].")
    error = fields.Text(readonly=True)
    error_code = fields.Char(readonly=True)
    risk_amount = fields.Monetary(
        "Money at Risk", currency_field="risk_currency_id", readonly=True,
        help="What cannot be billed until this message goes through, in the company's currency.",
    )
    order_id = fields.Many2one(
        "sale.order", "Contract", readonly=True, index="btree_not_null", ondelete="set null",
        help="The contract that waits for it.")
    work_from = fields.Date(readonly=True, help="First day of the work that the message is about.")
    work_to = fields.Date(readonly=True, help="Last day of the work that the message is about.")
    freed_from_id = fields.Many2one(
        "psa.exception", "Was Held by", readonly=True, index="btree_not_null", ondelete="set null", copy=False,
        help="The exception that held it before it went through.")
    risk_currency_id = fields.Many2one(related="company_id.currency_id")
    received_at = fields.Datetime("Received", required=True, readonly=True, default=fields.Datetime.now)
    sent_at = fields.Datetime("Intent Written", readonly=True)
    done_at = fields.Datetime("Done", readonly=True)

    # === CONSTRAINTS AND INDEXES === #
    _dedupe_uniq = models.Constraint("UNIQUE(stream_id, dedupe_key)", "This message was received before.")
    _skip_has_reason = models.Constraint(
        "CHECK((state = 'skipped') = (skip_reason IS NOT NULL))", "A skipped message says why, no other one does.")
    _retry_has_time = models.Constraint(
        "CHECK(state <> 'retry' OR next_attempt_at IS NOT NULL)", "A message to retry needs a time.")
    _wait_has_key = models.Constraint(
        "CHECK(state NOT IN ('waiting', 'held') OR wait_key IS NOT NULL)",
        "A waiting or held message says what it waits for.")
    _pending_idx = models.Index("(lane, connection_id, received_at, id) WHERE state = 'pending'")
    _retry_idx = models.Index("(lane, connection_id, next_attempt_at) WHERE state = 'retry'")
    _wait_idx = models.Index("(wait_key) WHERE wait_key IS NOT NULL AND state IN ('waiting', 'held')")
    _record_idx = models.Index("(external_id, object_type)")
    _open_idx = models.Index(
        "(connection_id, state) INCLUDE (company_id, risk_amount) WHERE state NOT IN ('done', 'skipped')")

    # === COMPUTE === #
    @api.depends("object_type", "external_id")
    def _compute_display_name(self):
        for message in self:
            message.display_name = f"{message.object_type} {message.external_id}"

    # === CRUD === #
    def write(self, vals):
        if not self.env.su:
            raise AccessError(self.env._("Messages change through their buttons only."))
        return super().write(vals)
