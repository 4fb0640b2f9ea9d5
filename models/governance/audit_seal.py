import json
import secrets

from odoo import api, fields, models
from odoo.fields import NO_ACCESS
from odoo.tools import SQL

from .audit_chain import GENESIS, row_hash

SEALED_AT_ONCE = 2000
#: Columns of a row that its hash covers, as text where Python and the database would write them differently.
CONTENT = SQL(
    "id, sequence, COALESCE(company_id, 0), to_char(moment, 'YYYY-MM-DD HH24:MI:SS'), user_id, event, res_model, "
    "res_id, before::text, after::text, reason, salt, erased::text, seal")


class AuditRow:
    """One row of the table, ready to be hashed; made of :data:`CONTENT`."""

    __slots__ = ("id", "sequence", "company_id", "moment", "user_id", "event", "res_model", "res_id", "body", "salt",
                 "erased", "seal")

    def __init__(self, id_, sequence, company_id, moment, user_id, event, res_model, res_id, before, after, reason,
                 salt, erased, seal):
        self.id, self.sequence, self.company_id, self.moment = id_, sequence, company_id, moment
        self.user_id, self.event, self.res_model, self.res_id = user_id, event, res_model, res_id
        self.body = {"before": before and json.loads(before), "after": after and json.loads(after), "reason": reason}
        self.salt, self.erased, self.seal = salt, erased and json.loads(erased), seal

    def head(self):
        return [self.sequence, self.company_id, self.moment, self.user_id, self.event, self.res_model, self.res_id]

    def hash(self, former):
        """:raise ValueError: the body does not fit what an erasure left of it"""
        return row_hash(former, self.head(), self.body, self.salt, self.erased)


class PsaAudit(models.Model):
    """Each company's rows are a chain: a number without gaps and a hash over the row and the hash before it.

    Rows are sealed by a job in short intervals and not when they are written: a number without gaps at once would make
    every business transaction of a company wait for the one before it (docs/decisions).
    """

    _inherit = "psa.audit"

    sequence = fields.Integer(
        "No.", readonly=True, copy=False, help="Number in the company's chain; empty: not sealed yet.")
    seal = fields.Char("Hash", readonly=True, copy=False, help="SHA-256 of this row and the hash of the row before it.")
    salt = fields.Char(readonly=True, copy=False, groups=NO_ACCESS)
    erased = fields.Json(readonly=True, copy=False, groups=NO_ACCESS, help="What is left of the seal after an erasure.")
    is_erased = fields.Boolean(
        "Person Erased", compute="_compute_is_erased", compute_sudo=True,
        help="Values of a person were taken out of this row; the rest of it is still proved by its hash.")

    _chain_uniq = models.UniqueIndex(
        "(COALESCE(company_id, 0), sequence) WHERE sequence IS NOT NULL", "A number is given once in a company.")
    _unsealed_idx = models.Index("(id) WHERE sequence IS NULL")

    @api.depends("erased")
    def _compute_is_erased(self):
        for row in self:
            row.is_erased = bool(row.erased)

    @api.model
    def _seal(self, limit=SEALED_AT_ONCE):
        """Give the oldest rows without a seal their number and hash, one block a company, in this transaction.

        :return: number of rows sealed; 0 too when another worker is at it
        """
        self.flush_model()
        if not self.env.execute_query(SQL("SELECT pg_try_advisory_xact_lock(hashtext('psa_audit_seal'))"))[0][0]:
            return 0
        rows = [AuditRow(*values) for values in self.env.execute_query(SQL(
            "SELECT %s FROM psa_audit WHERE sequence IS NULL ORDER BY id LIMIT %s", CONTENT, limit))]
        if not rows:
            return 0
        heads = self._heads({row.company_id for row in rows})
        first = {}
        for row in rows:
            number, former = heads.get(row.company_id, (0, GENESIS))
            row.sequence, row.salt = number + 1, secrets.token_hex(16)
            row.seal = row.hash(former)
            first.setdefault(row.company_id, row.sequence)
            heads[row.company_id] = row.sequence, row.seal
        self.env.execute_query(SQL(
            """
            UPDATE psa_audit row SET sequence = sealed.sequence, salt = sealed.salt, seal = sealed.seal
              FROM unnest(%s::int[], %s::int[], %s::varchar[], %s::varchar[]) AS sealed(id, sequence, salt, seal)
             WHERE row.id = sealed.id RETURNING row.id
            """,
            [row.id for row in rows], [row.sequence for row in rows], [row.salt for row in rows],
            [row.seal for row in rows]))
        self.env["psa.audit.block"].sudo().create([
            {"company_id": company_id or False, "first_sequence": sequence, "last_sequence": heads[company_id][0],
             "seal": heads[company_id][1]}
            for company_id, sequence in first.items()
        ])
        self.invalidate_model(["sequence", "seal", "salt"])
        return len(rows)

    def _heads(self, company_ids):
        """Return ``{company id: (last number, its hash)}``, by the rows or the blocks, whichever reach further."""
        return {company_id: (sequence, seal) for company_id, sequence, seal in self.env.execute_query(SQL(
            """
            SELECT company.id, head.sequence, head.seal FROM unnest(%s::int[]) AS company(id)
              JOIN LATERAL (
                   (SELECT sequence, seal FROM psa_audit
                     WHERE COALESCE(company_id, 0) = company.id AND sequence IS NOT NULL ORDER BY sequence DESC LIMIT 1)
                    UNION ALL
                   (SELECT last_sequence, seal FROM psa_audit_block
                     WHERE COALESCE(company_id, 0) = company.id ORDER BY first_sequence DESC LIMIT 1)
                    ORDER BY sequence DESC LIMIT 1) head ON TRUE
            """, sorted(company_ids)))}

    @api.model
    def _seal_all(self):
        """Seal whatever has no seal yet, in this transaction."""
        while self._seal():
            pass

    @api.model
    def _cron_seal(self):
        Cron = self.env["ir.cron"]
        Cron._commit_progress(remaining=self.sudo().search_count([("sequence", "=", False)]))
        while (sealed := self._seal()) and Cron._commit_progress(sealed):
            pass


class PsaAuditBlock(models.Model):
    """Where a run of sealing ended. Without it, whoever removes the last rows of a chain would leave a whole one."""

    _name = "psa.audit.block"
    _description = "Sealed Block of the Audit Trail"
    _order = "id desc"
    _rec_name = "seal"
    _log_access = False

    company_id = fields.Many2one("res.company", readonly=True, index=True, ondelete="restrict")
    first_sequence = fields.Integer("From No.", required=True, readonly=True)
    last_sequence = fields.Integer("To No.", required=True, readonly=True)
    seal = fields.Char("Hash", required=True, readonly=True, help="Hash of the last row of the block.")
    sealed_at = fields.Datetime("Sealed", required=True, readonly=True, default=fields.Datetime.now)

    _first_uniq = models.UniqueIndex("(COALESCE(company_id, 0), first_sequence)", "A block begins once.")
    _order_check = models.Constraint("CHECK(first_sequence <= last_sequence)", "A block has at least one row.")

    def init(self):
        self.env.cr.execute(SQL(
            """
            CREATE OR REPLACE FUNCTION psa_audit_block_refuse() RETURNS trigger LANGUAGE plpgsql AS $function$
            BEGIN
                RAISE EXCEPTION USING ERRCODE = 'restrict_violation',
                    MESSAGE = 'psa_audit_block is append-only: ' || TG_OP || ' refused';
            END
            $function$;
            DROP TRIGGER IF EXISTS psa_audit_block_append_only ON psa_audit_block;
            CREATE TRIGGER psa_audit_block_append_only BEFORE UPDATE OR DELETE ON psa_audit_block
                FOR EACH ROW EXECUTE FUNCTION psa_audit_block_refuse();
            DROP TRIGGER IF EXISTS psa_audit_block_no_truncate ON psa_audit_block;
            CREATE TRIGGER psa_audit_block_no_truncate BEFORE TRUNCATE ON psa_audit_block
                FOR EACH STATEMENT EXECUTE FUNCTION psa_audit_block_refuse();
            """
        ))
        return super().init()
