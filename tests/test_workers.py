import json
import os
import subprocess
import sys
from pathlib import Path

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name, tagged
from odoo.tools import config

from ..connectors import base
from .engine_case import EngineConnector
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
            self.cr.execute(f"DELETE FROM {table} WHERE connection_id = %s", [connection_id])
        self.env["res.partner"].with_context(active_test=False).search([
            "|", ("ref", "=", "HOT"), ("ref", "=like", "Account/%")]).unlink()
        self.connection.unlink()
        self.cr.commit()

    def receive(self, *records):
        """Receive ``(external id, version, raw)`` accounts, 500 a transaction."""
        for start in range(0, len(records), 500):
            self.env["psa.message"]._receive(self.streams["account"], [
                base.RawRecord("Account", external_id, version, raw)
                for external_id, version, raw in records[start:start + 500]], "pull")
            self.cr.commit()

    def run_pool(self, workers=2, kills=0, seconds=240, seed=1):
        """Let real processes drain the lane; return what the pool says."""
        odoo = ["-d", self.cr.dbname, "--addons-path", ",".join(config["addons_path"]), "--data-dir",
                config["data_dir"], "--log-level", "warn"]
        for option in ("db_host", "db_port", "db_user", "db_password"):
            if config[option]:
                odoo += [f"--{option}", str(config[option])]
        done = subprocess.run(
            [sys.executable, str(POOL), json.dumps({
                "odoo": odoo, "database": self.cr.dbname, "lane": "master", "connection": self.connection.id,
                "workers": workers, "kills": kills, "seed": seed, "seconds": seconds})],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, capture_output=True, text=True,
            timeout=seconds + 60, check=False)
        answer = [line for line in done.stdout.splitlines() if line.startswith("POOL ")]
        self.assertTrue(answer, done.stdout + done.stderr)
        result = json.loads(answer[0][5:])
        self.assertEqual((result["left"], result["failures"]), (0, 0), done.stderr)
        self.env.invalidate_all()
        self.cr.rollback()
        return result

    def check_exactly_once(self, records):
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
        hot = self.env["res.partner"].search([("ref", "=", "HOT")])
        self.assertEqual(hot.color, states["done", None], "counted in the same transaction as applied")
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
        records = self.records(400, versions=3)
        self.receive(*records)
        self.run_pool()
        self.check_exactly_once(records)
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
