# pylint: disable=invalid-commit  # a worker commits what it caught up with
import contextlib
import logging
import random
import time

from odoo import api, fields, models
from odoo.tools import SQL, ormcache

from ..sync.psa_lane import CONFLICTS
from ..sync.worker import Alone

_logger = logging.getLogger(__name__)

ATTEMPTS = 10  # then the next worker or the sweep does it


class PsaApplyTotal(models.Model):
    """Records of Odoo whose sums of timesheets are behind.

    Hours count on their task, order line and contract. Workers that wrote these rows with every batch would undo each
    other's batches (serialization failures) and add up the same timesheets over and over. So a batch only notes, in its
    own transaction, what it leaves behind; at the end of a worker's run the sums are brought up to date all at once.
    """

    _name = "psa.apply.total"
    _description = "Total That Is Behind"
    _log_access = False

    res_model = fields.Char(required=True, readonly=True)
    res_id = fields.Many2oneReference("Record", model_field="res_model", required=True, readonly=True)

    @contextlib.contextmanager
    def _put_off(self, *behind):
        """While the block runs, leave the sums on these records as they are; :meth:`_catch_up` computes them.

        :param behind: recordsets of the models that timesheets are added up on
        """
        with self.env.protecting([(self._sums(records._name), records) for records in behind]):
            yield
        names = [(records._name, record_id) for records in behind for record_id in records.ids]
        self.env.execute_query(SQL(
            "INSERT INTO psa_apply_total (res_model, res_id) SELECT * FROM unnest(%s::text[], %s::int[]) RETURNING id",
            [model_name for model_name, _id in names], [record_id for _name, record_id in names]))

    @api.model
    def _sums(self, model_name):
        """Return the stored fields of a model that follow from timesheets."""
        return [self.env[model_name]._fields[name] for name in self._sum_names(model_name)]

    @api.model
    @ormcache("model_name")
    def _sum_names(self, model_name):
        return sorted({
            dependent.name
            for field in self.env["account.analytic.line"]._fields.values()
            for dependent in self.env.registry.get_dependent_fields(field)
            if dependent.model_name == model_name and dependent.store and dependent.compute
        })

    @api.model
    def _catch_up(self):
        """Compute the sums that are behind, in a transaction of its own.

        :return: number of records
        """
        for attempt in range(ATTEMPTS):
            try:
                with Alone(self.env.cr, "psa_hub.catch_up"):
                    count = self._compute_behind()
                    self.env.cr.commit()
                return count
            except CONFLICTS:
                self.env.cr.rollback()
                time.sleep(random.uniform(0, 0.1) * attempt)
        _logger.info("Sums of timesheets are left to the next run: others write the same records")
        return 0

    def _compute_behind(self):
        ids_by_model = {}
        for model_name, record_id in self.env.execute_query(SQL(
                """
                DELETE FROM psa_apply_total WHERE id IN (SELECT id FROM psa_apply_total FOR UPDATE SKIP LOCKED)
             RETURNING res_model, res_id
                """)):
            ids_by_model.setdefault(model_name, set()).add(record_id)
        total = 0
        for model_name, ids in ids_by_model.items():
            records = self.env[model_name].sudo().browse(self._take(self.env[model_name]._table, ids))
            for field in self._sums(model_name):
                self.env.add_to_compute(field, records)
            total += len(records)
        self.env.flush_all()
        return total

    def _take(self, table, ids):
        """Write the rows as they are, so that whoever computes the same sums from an older snapshot fails and repeats.

        A sum that happens to be right already would not be written, and could be overwritten by an older one.

        :return: ids of those that exist
        """
        return [row[0] for row in self.env.execute_query(SQL(
            """
            UPDATE %(table)s SET id = id WHERE id IN (
                SELECT id FROM %(table)s WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE)
            RETURNING id
            """, table=SQL.identifier(table), ids=list(ids)))]


class PsaApply(models.AbstractModel):
    _inherit = "psa.apply"

    @api.model
    def _catch_up(self):
        """EXTENDS sync: the sums of timesheets."""
        return super()._catch_up() + self.env["psa.apply.total"]._catch_up()
