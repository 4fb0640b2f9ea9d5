"""Shadow mode: a connection reads and applies, and nothing leaves.

What would be written back is stored and waits; so does what would be booked in the ledger by itself (payments and
payouts). Both wait under one key of the connection, and go when it goes live. Billing adds its own part in
``billing/shadow.py``.
"""

from odoo import api, fields, models, tools
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from .item import shadow_key


class PsaConnection(models.Model):
    _inherit = "psa.connection"

    is_shadow = fields.Boolean(
        "Shadow Mode", tracking=True, copy=False,
        help="Everything is read, mapped and applied, and nothing leaves: no write-back, no payment booked, no invoice "
             "of its contracts or its work. Ends with Go Live.")
    went_live_at = fields.Datetime("Live Since", readonly=True, copy=False)
    shadow_count = fields.Integer(
        "Waiting to Go Live", compute="_compute_shadow_count",
        help="Write-backs and payments that go when the connection goes live.")

    @api.depends("is_shadow")
    def _compute_shadow_count(self):
        keys = {shadow_key(connection.id): connection for connection in self.filtered("is_shadow")}
        counts = dict(self.env["psa.message"]._read_group(
            [("wait_key", "in", list(keys)), ("state", "=", "waiting")], ["wait_key"], ["__count"])) if keys else {}
        for connection in self:
            connection.shadow_count = counts.get(shadow_key(connection.id), 0)

    # === CRUD === #

    @api.model_create_multi
    def create(self, vals_list):
        connections = super().create(vals_list)
        if any(vals.get("is_shadow") for vals in vals_list):
            self.env.registry.clear_cache()
        return connections

    def write(self, vals):
        if "is_shadow" in vals and not self.env.su:
            raise AccessError(self.env._("Shadow mode is begun and ended with its buttons."))
        result = super().write(vals)
        if "is_shadow" in vals:
            self.env.registry.clear_cache()
        return result

    # === BUSINESS === #

    @api.model
    @tools.ormcache()
    def _shadow_ids(self):
        """Return the ids of the connections in shadow mode: where there is none, nobody pays for asking."""
        return frozenset(self.sudo().with_context(active_test=False).search([("is_shadow", "=", True)]).ids)

    def action_shadow(self):
        """Begin in shadow mode. A connection that has worked for real can only be paused."""
        self.check_access("write")
        for connection in self:
            if connection.checked_at and not connection.is_shadow:
                raise UserError(self.env._(
                    "%s has been live already: what it told others cannot be taken back. Pause it instead.",
                    connection.name))
        self.sudo().is_shadow = True

    def action_go_live(self):
        """Send what is still true, release billing, and let the system have what the write-backs need there."""
        self.check_access("write")
        for connection in self.sudo().filtered("is_shadow"):
            if connection.state != "connected":
                raise UserError(self.env._("%s is not connected: check it first.", connection.name))
            waiting = connection.shadow_count
            connection.write({"is_shadow": False, "went_live_at": fields.Datetime.now()})
            dropped = connection._drop_untrue()
            self.env["psa.message"].sudo()._release([shadow_key(connection.id)])
            connection._went_live()
            self.env["psa.audit"]._log([{
                "event": "connection.live", "res_model": self._name, "res_id": connection.id,
                "company_id": connection.company_id.id, "before": {"shadow": True},
                "after": {"released": waiting - dropped, "dropped": dropped}}])
            connection._check()
        return True

    def _went_live(self):
        """What shadow mode kept back goes on; other parts of the hub add theirs."""
        self.ensure_one()

    def _drop_untrue(self):
        """Skip waiting write-backs whose target is gone at the source, or whose stream is switched off.

        Of one target only the newest waits anyway: each one superseded those before it.

        :return: number of messages
        """
        self.ensure_one()
        self.env.flush_all()
        dropped = self.env.execute_query(SQL(
            """
            UPDATE psa_message message
               SET state = 'skipped', skip_reason = 'out_of_scope', wait_key = NULL, done_at = %(now)s,
                   write_date = %(now)s
              FROM psa_stream stream
             WHERE message.wait_key = %(key)s AND message.state = 'waiting' AND message.direction = 'out'
               AND stream.id = message.stream_id
               AND (stream.active IS NOT TRUE OR NOT EXISTS (
                       SELECT FROM psa_binding binding
                        WHERE binding.connection_id = message.connection_id
                          AND binding.object_type = message.object_type
                          AND binding.external_id = message.external_id
                          AND binding.res_id IS NOT NULL AND binding.deleted_at_source IS NOT TRUE))
            RETURNING message.id
            """, now=self.env.cr.now(), key=shadow_key(self.id)))
        self.env["psa.message"].invalidate_model()
        return len(dropped)

    def _set_up_writing(self, session):
        """In shadow mode nothing is made at the vendor either."""
        return [] if self.is_shadow else super()._set_up_writing(session)

    def action_open_shadow(self):
        """Show what waits for this connection to go live."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_message")
        return {**action, "domain": [("wait_key", "=", shadow_key(self.id)), ("state", "=", "waiting")], "context": {}}


class PsaMessage(models.Model):
    _inherit = "psa.message"

    is_shadow = fields.Boolean(
        "Waits to Go Live", compute="_compute_is_shadow", search="_search_is_shadow",
        help="It goes when its connection leaves shadow mode.")

    def init(self):
        """No write-back of a connection in shadow mode is marked as sent, whoever tries: the intent comes first."""
        result = super().init()
        self.env.cr.execute(SQL(
            """
            CREATE OR REPLACE FUNCTION psa_message_shadow() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                IF EXISTS (SELECT FROM psa_connection WHERE id = NEW.connection_id AND is_shadow) THEN
                    RAISE EXCEPTION 'Connection %% is in shadow mode: nothing is written back', NEW.connection_id
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            END $body$;
            DROP TRIGGER IF EXISTS psa_message_shadow ON psa_message;
            CREATE TRIGGER psa_message_shadow BEFORE UPDATE OF sent_at ON psa_message FOR EACH ROW
                WHEN (NEW.direction = 'out' AND NEW.sent_at IS NOT NULL AND NEW.sent_at IS DISTINCT FROM OLD.sent_at)
                EXECUTE FUNCTION psa_message_shadow();
            """))
        return result

    @api.depends("wait_key", "state")
    def _compute_is_shadow(self):
        for message in self:
            message.is_shadow = message.state == "waiting" and (message.wait_key or "").startswith("shadow:")

    @api.model
    def _search_is_shadow(self, operator, value):
        if operator != "in" or set(value) != {True}:
            return NotImplemented
        return [("wait_key", "=like", "shadow:%"), ("state", "=", "waiting")]

    def action_retry(self):
        """What waits to go live goes then, and not before."""
        return super(PsaMessage, self.filtered(lambda message: not message.is_shadow)).action_retry()


class PsaStream(models.Model):
    _inherit = "psa.stream"

    def _push(self, seconds=float("inf")):
        """In shadow mode nothing is written back."""
        if self.connection_id.is_shadow:
            return 0
        return super()._push(seconds)


class PsaLane(models.AbstractModel):
    _inherit = "psa.lane"

    @api.model
    def _cron_sweep(self):
        """Also what was stored as waiting while its connection went live."""
        result = super()._cron_sweep()
        live = self.env["psa.connection"].search([("went_live_at", "!=", False), ("is_shadow", "=", False)])
        self.env["psa.message"]._release(shadow_key(connection.id) for connection in live)
        return result
