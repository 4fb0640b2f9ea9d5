# pylint: disable=invalid-commit  # other processes must see it
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from odoo.tests import tagged
from odoo.tools import config

from .fake_connector import FileVendor
from .link_case import CommittedCase

POOL = Path(__file__).with_name("link_pool.py")
RECORDS = 400


@tagged("post_install", "-at_install")
class TestLinkWorkers(CommittedCase):
    """Workers that read and write back are killed at any moment; nothing is lost and nothing is written twice."""

    def setUp(self):
        super().setUp()
        handle, self.path = tempfile.mkstemp(prefix="psa_hub_vendor")
        os.close(handle)
        self.addCleanup(os.unlink, self.path)
        with self.committed() as connection:
            streams = {stream.code: stream for stream in connection.stream_ids}
            streams["account"].write({"page_size": 10, "backfill_page_size": 10})
            streams["account"].action_backfill()
            streams["person"].active = False
            streams["status"].page_size = 5
            streams["account"]._request_fetch([f"A{number:05}" for number in range(0, RECORDS, 4)])
            streams["account"]._request_fetch(["GONE"])
            env = connection.env
            self.partner_ids = env["res.partner"].create(
                [{"name": f"Written back {number}"} for number in range(150)]).ids
            env["psa.binding"].create([
                {"connection_id": connection.id, "object_type": "Account", "external_id": f"A{number:05}",
                 "canonical_type": "party", "res_model": "res.partner", "res_id": partner_id}
                for number, partner_id in enumerate(self.partner_ids)])
            env["psa.message"]._emit("billing_status", [
                (partner, {"event": "posted"}) for partner in env["res.partner"].browse(self.partner_ids)], "1")

    def forget(self):
        result = super().forget()
        with self.registry.cursor() as cr:
            cr.execute("DELETE FROM res_partner WHERE id = ANY(%s)", [self.partner_ids])
        return result

    def run_pool(self, **options):
        odoo = ["-d", self.registry.db_name, "--addons-path", ",".join(config["addons_path"]), "--data-dir",
                config["data_dir"], "--log-level", "warn"]
        for option in ("db_host", "db_port", "db_user", "db_password"):
            if config[option]:
                odoo += [f"--{option}", str(config[option])]
        done = subprocess.run(
            [sys.executable, str(POOL), json.dumps({
                "odoo": odoo, "database": self.registry.db_name, "connection": self.connection_id,
                "vendor": self.path, "records": RECORDS, "seconds": 180, **options})],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, capture_output=True, text=True,
            timeout=300, check=False)
        answer = [line for line in done.stdout.splitlines() if line.startswith("POOL ")]
        self.assertTrue(answer, done.stdout + done.stderr)
        result = json.loads(answer[0][5:])
        self.assertEqual((result["left"], result["failures"]), (0, 0), done.stderr)
        return result

    def test_killed_workers_lose_and_double_nothing(self):
        result = self.run_pool(workers=3, kills=40, seed=4)
        self.assertEqual(result["kills"], 40)
        vendor = FileVendor(self.path, 0)
        keys = vendor.written()
        self.assertTrue(vendor.looked_up(), "Some were killed while the answer was on its way")
        self.assertEqual((len(keys), len(set(keys))), (150, 150), "Each write-back took effect once")
        with self.committed() as connection:
            messages = connection.env["psa.message"].search([("connection_id", "=", connection.id)])
            by_lane = messages.grouped("lane")
            self.assertEqual(set(by_lane["outbound"].mapped("state")), {"done"})
            self.assertEqual(set(by_lane["outbound"].mapped("attempt_count")), {0}, "A kill costs no attempt")
            self.assertEqual(set(by_lane["fetch"].mapped("state")), {"done"})
            read = [(message.external_id, message.operation) for message in by_lane["master"]]
            self.assertEqual(sorted(set(read) - {("GONE", "delete")}),
                             [(f"A{number:05}", "upsert") for number in range(RECORDS)])
            self.assertEqual(len([item for item in read if item[1] == "upsert"]), RECORDS)
            account = connection.stream_ids.filtered(lambda stream: stream.code == "account")
            self.assertEqual(account.cursor["id"], f"A{RECORDS - 1:05}")
            self.assertEqual(account.backfill_state, "done")
