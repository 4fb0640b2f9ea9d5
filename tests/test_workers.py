# pylint: disable=invalid-commit  # other processes must see it
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name, tagged
from odoo.tools import SQL, config, mute_logger

from ..connectors import base
from ..models.sync.psa_apply import PsaApply
from ..models.sync.worker import Turn
from .engine_case import EngineConnector, PartnerHandler
from .fake_connector import registered

POOL = Path(__file__).with_name("worker_pool.py")


class WorkerCase(BaseCase):
    """Work that is really committed, so that other processes see it, and removed at the end."""

    def setUp(self):
        super().setUp()
        offered = registered(EngineConnector())
        offered.__enter__()
        self.addCleanup(offered.__exit__, None, None, None)
        self.registry = Registry(get_db_name())
        self.cr = self.registry.cursor()
        self.addCleanup(self.cr.close)
        self.env = api.Environment(self.cr, SUPERUSER_ID, {})
        self.connection = self.env["psa.connection"].create({
            "name": "Workers", "connector_code": "engine", "environment": "sandbox", "state": "connected",
            "batch_size": 20})
        self.env["res.partner"].create({"name": "Hot", "ref": "HOT"})
        self.cr.commit()
        self.addCleanup(self.remove_all)
        self.streams = {stream.code: stream for stream in self.connection.stream_ids}

    def remove_all(self):
        self.cr.rollback()
        self.env.invalidate_all()
        connection_id = self.connection.id
        for table in ("psa_binding", "psa_message", "psa_exception"):
            self.cr.execute(SQL("DELETE FROM %s WHERE connection_id = %s", SQL.identifier(table), connection_id))
        self.env["res.partner"].with_context(active_test=False).search([
            "|", ("ref", "=", "HOT"), ("ref", "=like", "Account/%")]).unlink()
        self.connection.unlink()
        self.cr.commit()

    def receive(self, *records):
        """Receive ``(external id, version, raw[, operation])`` accounts, 500 a transaction."""
        for start in range(0, len(records), 500):
            self.env["psa.message"]._receive(self.streams["account"], [
                base.RawRecord("Account", *record) for record in records[start:start + 500]], "pull")
            self.cr.commit()

    def run_pool(self, workers=2, kills=0, seconds=240, seed=1, hot=True):
        """Let real processes drain the lane; return what the pool says."""
        odoo = ["-d", self.cr.dbname, "--addons-path", ",".join(config["addons_path"]), "--data-dir",
                config["data_dir"], "--log-level", "warn"]
        for option in ("db_host", "db_port", "db_user", "db_password"):
            if config[option]:
                odoo += [f"--{option}", str(config[option])]
        done = subprocess.run(
            [sys.executable, str(POOL), json.dumps({
                "odoo": odoo, "database": self.cr.dbname, "lane": "master", "connection": self.connection.id,
                "workers": workers, "kills": kills, "seed": seed, "seconds": seconds, "hot": hot})],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, capture_output=True, text=True,
            timeout=seconds + 60, check=False)
        answer = [line for line in done.stdout.splitlines() if line.startswith("POOL ")]
        self.assertTrue(answer, done.stdout + done.stderr)
        result = json.loads(answer[0][5:])
        self.assertEqual((result["left"], result["failures"]), (0, 0), done.stderr)
        self.env.invalidate_all()
        self.cr.rollback()
        return result

    def check_exactly_once(self, records, hot=True):
        """Nothing lost, nothing doubled, order kept: the counts of messages and of effects tie."""
        self.cr.execute("SELECT state, skip_reason, COUNT(*), SUM(attempt_count) FROM psa_message "
                        "WHERE connection_id = %s GROUP BY 1, 2", [self.connection.id])
        states = {(state, reason): count for state, reason, count, _attempts in self.cr.fetchall()}
        self.assertEqual(sum(states.values()), len(records))
        self.assertLessEqual(
            set(states), {("done", None), ("skipped", "superseded"), ("skipped", "stale"), ("skipped", "unchanged")})
        self.cr.execute("SELECT MAX(attempt_count) FROM psa_message WHERE connection_id = %s", [self.connection.id])
        self.assertEqual(self.cr.fetchone()[0], 0, "a conflict or a killed worker costs no attempt")
        newest = {}
        for external_id, version, raw in records:
            newest[external_id] = max(newest.get(external_id, ("", "")), (version, raw["Name"]))
        partners = self.env["res.partner"].search([("ref", "=like", "Account/%")])
        self.assertEqual(sorted(partners.mapped("ref")), sorted(f"Account/{external_id}" for external_id in newest))
        for partner in partners:
            versions = partner.street.split(",")
            version, name = newest[partner.ref.removeprefix("Account/")]
            self.assertEqual(versions, sorted(set(versions)), "each version once, in order")
            self.assertEqual((versions[-1], partner.name), (version, name))
        self.assertEqual(sum(int(partner.function) for partner in partners), states["done", None])
        counter = self.env["res.partner"].search([("ref", "=", "HOT")])
        self.assertEqual(
            counter.color, states["done", None] if hot else 0, "counted in the same transaction as applied")
        self.cr.execute("SELECT COUNT(*), COUNT(DISTINCT res_id) FROM psa_binding WHERE connection_id = %s",
                        [self.connection.id])
        self.assertEqual(self.cr.fetchone(), (len(newest), len(newest)))

    def records(self, count, versions=1):
        """Return accounts in several versions, shuffled a little, every fifth one with a parent that comes later."""
        result = []
        for number in range(count):
            for version in range(1, versions + 1):
                raw = {"Name": f"Account {number} v{version}"}
                if number % 5 == 0 and number + 7 < count:
                    raw["ParentId"] = f"A{number + 7}"
                result.append((f"A{number}", str(version), raw))
        return sorted(result, key=lambda record: (record[1], int(record[0][1:]) * 37 % 97))


@tagged("post_install", "-at_install")
class TestWorkers(WorkerCase):
    def test_two_workers_share_the_work(self):
        records = self.records(2000)
        self.receive(*records)
        self.run_pool(hot=False)  # with a row that every batch writes, whoever is first can be through alone
        self.check_exactly_once(records, hot=False)
        partners = self.env["res.partner"].search([("ref", "=like", "Account/%")])
        workers = {pid for partner in partners for pid in partner.company_registry.split(",")}
        self.assertEqual(len(workers), 2, "both worked")

    def test_killed_workers_lose_and_double_nothing(self):
        records = self.records(600, versions=2)
        self.receive(*records)
        result = self.run_pool(kills=8)
        self.assertEqual(result["kills"], 8)
        self.check_exactly_once(records)


@tagged("post_install", "-at_install", "long")
class TestWorkersLong(WorkerCase):
    def test_two_hundred_kills(self):
        records = self.records(6000, versions=2)
        self.receive(*records)
        result = self.run_pool(kills=200, workers=3, seconds=900)
        self.assertEqual(result["kills"], 200)
        self.check_exactly_once(records)


@tagged("post_install", "-at_install")
class TestRaces(WorkerCase):
    """Two transactions at once, in the order in which they hurt."""

    def other(self):
        """Return an environment with a transaction of its own."""
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        return api.Environment(cr, SUPERUSER_ID, {})

    def handlers(self, lane_env):
        patcher = patch.object(PsaApply, "_handler", lambda model, _type: PartnerHandler(model.env, [], {}))
        patcher.start()
        self.addCleanup(patcher.stop)
        return lane_env["psa.lane"]

    def state(self, external_id):
        self.cr.rollback()
        self.cr.execute("SELECT state FROM psa_message WHERE external_id = %s AND operation <> 'hint' "
                        "AND connection_id = %s", [external_id, self.connection.id])
        return self.cr.fetchone()[0]

    def test_child_sent_to_wait_while_its_parent_is_bound(self):
        """The one that commits last sees the other: no order of commits leaves the child asleep."""
        for parent_commits_first in (True, False):
            with self.subTest(parent_commits_first=parent_commits_first):
                parent, child = f"P{parent_commits_first}", f"C{parent_commits_first}"
                mother, daughter = self.other(), self.other()
                self.receive((parent, "1", {"Name": "Parent"}))
                turn = Turn(mother["psa.connection"].browse(self.connection.id))
                mother.cr.commit()
                binding = self.handlers(mother)._run_batch("master", turn)
                self.receive((child, "1", {"Name": "Child", "ParentId": parent}))
                daughter.cr.commit()
                waiting = self.handlers(daughter)._run_batch("master", turn)
                bound, awaited = binding.settlement(), waiting.settlement()
                self.assertEqual(waiting.claims[0].outcome.state, "waiting")
                for env, settlement in ((mother, bound), (daughter, awaited))[::1 if parent_commits_first else -1]:
                    env.cr.commit()
                    env["psa.lane"]._settle(env["psa.connection"].browse(self.connection.id), *settlement)
                self.assertEqual(self.state(child), "pending")
                self.handlers(self.env)._drain("master", stand_by=0)
                self.assertEqual(self.state(child), "done")

    def test_child_sent_to_wait_while_its_parent_turns_out_not_to_exist(self):
        """It is held, and so its money is seen, whichever of the two commits last; the sweep does the same."""
        for name, order in (("parent", (0, 1)), ("child", (1, 0)), ("sweep", (0, 1))):
            with self.subTest(last=name):
                parent, child = f"P{name}", f"C{name}"
                envs = self.other(), self.other()
                self.receive((parent, "1", {}, base.DELETE))
                turn = Turn(envs[0]["psa.connection"].browse(self.connection.id))
                envs[0].cr.commit()
                gone = self.handlers(envs[0])._run_batch("master", turn)
                self.receive((child, "1", {"Name": "Child", "ParentId": parent}))
                envs[1].cr.commit()
                waiting = self.handlers(envs[1])._run_batch("master", turn)
                self.assertEqual(waiting.claims[0].outcome.state, "waiting", "it cannot see the other one's work")
                settlements = gone.settlement(), waiting.settlement()
                for position in order:
                    env = envs[position]
                    env.cr.commit()
                    if name != "sweep":
                        env["psa.lane"]._settle(
                            env["psa.connection"].browse(self.connection.id), *settlements[position])
                        env.cr.commit()
                if name == "sweep":
                    self.assertEqual(self.state(child), "waiting", "both workers were killed before they looked again")
                    self.env["psa.lane"]._cron_sweep()
                    self.cr.commit()
                self.assertEqual(self.state(child), "pending")
                self.handlers(self.env)._drain("master", stand_by=0)
                self.assertEqual(self.state(child), "held")

    def test_record_in_hand_is_left_alone(self):
        """While one worker has a version of a record, another one takes neither that message nor a newer one."""
        self.receive(("A1", "1", {"Name": "One"}), ("A2", "1", {"Name": "Two"}))
        first, second = self.other(), self.other()
        connection = self.connection.id
        mine = first["psa.lane"]._claim("master", connection, 1)
        self.assertEqual([row["external_id"] for row in mine], ["A1"])
        self.receive(("A1", "2", {"Name": "Newer"}))
        theirs = second["psa.lane"]._claim("master", connection, 10)
        self.assertEqual([(row["external_id"], row["mine"]) for row in theirs], [("A2", True), ("A1", False)])
        second.cr.rollback()
        first.cr.rollback()

    def test_same_key_from_many_transactions_is_one_row(self):
        barrier, stored, failed = threading.Barrier(20), [], []

        def send(env):
            stream = env["psa.stream"].browse(self.streams["account"].id)
            barrier.wait(30)
            try:
                stored.append(env["psa.message"]._receive(
                    stream, [base.RawRecord("Account", "A1", "1", {"Name": "x"})], "webhook"))
                env.cr.commit()
            except SerializationFailure as error:
                failed.append(error)
                env.cr.rollback()

        threads = [threading.Thread(target=send, args=[self.other()]) for _number in range(20)]
        with mute_logger("odoo.sql_db"):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        self.assertEqual((sum(stored), len(stored) + len(failed)), (1, 20))
        self.cr.rollback()
        self.assertEqual(self.env["psa.message"].search_count([("connection_id", "=", self.connection.id)]), 1)

    def test_a_dead_worker_s_messages_are_taken_up_by_the_one_that_stands_by(self):
        self.receive(("A1", "1", {"Name": "One"}))
        dead = self.other()
        dead["psa.lane"]._claim("master", self.connection.id, 10)
        lane = self.handlers(self.env)
        threading.Timer(1, dead.cr.close).start()
        self.assertEqual(lane._drain("master", stand_by=10), 1)
        self.assertEqual(self.state("A1"), "done")
