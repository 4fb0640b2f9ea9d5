from odoo import api, fields, models
from odoo.tools import SQL


class PsaApplyTurn(models.Model):
    """Names of things that two workers must not make at once, where no constraint of Odoo would refuse the second one.

    A worker takes the name's row before it makes the thing. Another worker that takes it in the meantime waits, and
    then starts its batch again (serialization failure), with what the first one made in sight. Rows carry no meaning
    beyond that and are cleaned up.
    """

    _name = "psa.apply.turn"
    _description = "Turn of a Worker"
    _order = "name"

    name = fields.Char(required=True, readonly=True)
    taken_at = fields.Datetime(required=True, readonly=True)

    _name_uniq = models.UniqueIndex("(name)")

    @api.model
    def _take(self, names):
        """Take the turn for ``names`` until the end of the transaction.

        :param names: texts, one for each thing (``vat:DE811907980``)
        :raise psycopg2.errors.SerializationFailure: another worker took one of them since this transaction began
        """
        if names:
            self.env.cr.execute(SQL(
                """
                INSERT INTO psa_apply_turn (name, taken_at) SELECT unnest(%s), %s
                ON CONFLICT (name) DO UPDATE SET taken_at = EXCLUDED.taken_at
                """, sorted(names), fields.Datetime.now(),
            ))

    @api.autovacuum
    def _gc_turns(self):
        """Forget the turns of yesterday; a batch lasts seconds."""
        self.env.cr.execute(SQL(
            "DELETE FROM psa_apply_turn WHERE taken_at < %s", fields.Datetime.subtract(fields.Datetime.now(), days=1)
        ))
