from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL


class PsaAudit(models.Model):
    """Who or what did something that matters, with the values before and after. Rows are added and never change.

    A trigger in the database refuses everything else, for every user and program, with two exceptions: a row is sealed
    once (``models/governance/audit_seal.py``), and the values of a person may be erased from its snapshots
    (``models/governance/erasure.py``). Who gets past the trigger is found by the seals.
    """

    _name = "psa.audit"
    _description = "Audit Trail"
    _order = "id desc"
    _rec_name = "event"
    _log_access = False

    moment = fields.Datetime(required=True, readonly=True, index=True, default=fields.Datetime.now)
    user_id = fields.Many2one("res.users", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one("res.company", readonly=True, index=True, ondelete="restrict")
    event = fields.Char(required=True, readonly=True, help="What was done: a short stable code like exception.waive.")
    res_model = fields.Char("Record Type", readonly=True)
    res_id = fields.Many2oneReference("Record", model_field="res_model", readonly=True)
    before = fields.Json(readonly=True)
    after = fields.Json(readonly=True)
    reason = fields.Text(readonly=True)

    event_text = fields.Char("What", compute="_compute_words")
    model_text = fields.Char("Kind", compute="_compute_words")

    _subject_idx = models.Index("(res_model, res_id)")

    def init(self):
        self.env.cr.execute(SQL(
            """
            CREATE OR REPLACE FUNCTION psa_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $function$
            DECLARE
                seal text[] := ARRAY['sequence', 'seal', 'salt'];
                snapshot text[] := ARRAY['before', 'after', 'reason', 'salt', 'erased'];
            BEGIN
                IF TG_OP = 'UPDATE' THEN
                    IF OLD.sequence IS NULL AND NEW.sequence IS NOT NULL
                            AND to_jsonb(OLD) - seal = to_jsonb(NEW) - seal THEN
                        RETURN NEW;
                    END IF;
                    IF current_setting('psa_hub.erasing', TRUE) = 'on' AND NEW.erased IS NOT NULL
                            AND to_jsonb(OLD) - snapshot = to_jsonb(NEW) - snapshot THEN
                        RETURN NEW;
                    END IF;
                END IF;
                RAISE EXCEPTION USING ERRCODE = 'restrict_violation',
                    MESSAGE = 'psa_audit is append-only: ' || TG_OP || ' refused';
            END
            $function$;
            DROP TRIGGER IF EXISTS psa_audit_append_only ON psa_audit;
            CREATE TRIGGER psa_audit_append_only BEFORE UPDATE OR DELETE ON psa_audit
                FOR EACH ROW EXECUTE FUNCTION psa_audit_refuse();
            DROP TRIGGER IF EXISTS psa_audit_no_truncate ON psa_audit;
            CREATE TRIGGER psa_audit_no_truncate BEFORE TRUNCATE ON psa_audit
                FOR EACH STATEMENT EXECUTE FUNCTION psa_audit_refuse();
            """
        ))
        return super().init()

    @api.depends("event", "res_model")
    def _compute_words(self):
        """The codes as people read them; a model that is no longer there keeps its name."""
        models = self.env["ir.model"].sudo().search_fetch(
            [("model", "in", self.mapped("res_model"))], ["model", "name"])
        names = dict(models.mapped(lambda model: (model.model, model.name)))
        for row in self:
            row.event_text = row.event.replace(".", ": ").replace("_", " ").capitalize()
            row.model_text = names.get(row.res_model, row.res_model)

    def write(self, vals):  # pylint: disable=method-required-super
        raise UserError(self.env._("The audit trail cannot be changed."))

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("The audit trail cannot be deleted."))

    @api.model
    def _log(self, entries):
        """Add one row per entry, in the caller's transaction.

        :param entries: list of dicts: ``event`` (required), ``res_model``, ``res_id``, ``before``, ``after``
            (JSON-ready), ``reason``, ``company_id`` (default: the user's current company), ``user_id`` (default: the
            user)
        """
        moment = fields.Datetime.now()
        return self.sudo().create([
            {
                "moment": moment,
                "user_id": self.env.uid,
                "company_id": self.env.company.id,
                **entry,
            }
            for entry in entries
        ])
