import threading

from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.sql_db import db_connect
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger


@tagged("post_install", "-at_install")
class TestApplyTurn(TransactionCase):
    """Two real transactions: the second one must not go on with what it saw before the first one's work."""

    def cursor(self):
        cr = db_connect(self.env.cr.dbname).cursor()
        self.addCleanup(cr.close)
        self.addCleanup(cr.rollback)
        return api.Environment(cr, SUPERUSER_ID, {})

    def forget(self, name):
        env = self.cursor()
        env.cr.execute("DELETE FROM psa_apply_turn WHERE name = %s", (name,))
        env.cr.commit()

    def test_second_worker_starts_again(self):
        self.addCleanup(self.forget, "vat:TEST1")
        first, second = self.cursor(), self.cursor()
        second.cr.execute("SELECT 1")  # its snapshot is older than what the first one does
        first["psa.apply.turn"]._take({"vat:TEST1"})
        errors = []

        def take():
            try:
                second["psa.apply.turn"]._take({"vat:TEST1"})
            except SerializationFailure as error:
                errors.append(error)

        with mute_logger("odoo.sql_db"):
            worker = threading.Thread(target=take)
            worker.start()
            worker.join(0.3)
            self.assertTrue(worker.is_alive(), "it waits for the first one")
            first.cr.commit()
            worker.join(10)
        self.assertEqual(len(errors), 1)
        second.cr.rollback()
        second["psa.apply.turn"]._take({"vat:TEST1"})  # with a new snapshot it is its turn

    def test_other_names_do_not_wait(self):
        first, second = self.cursor(), self.cursor()
        first["psa.apply.turn"]._take({"vat:TEST2"})
        second["psa.apply.turn"]._take({"vat:TEST3"})
