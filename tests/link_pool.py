"""Real processes that read from and write to a vendor, some of which are killed with signal 9.

Run as a program of its own with one JSON argument: ``odoo`` (command line of Odoo), ``database``, ``connection`` (id),
``vendor`` (file that the vendor writes to), ``records``, ``workers``, ``kills``, ``seed``, ``seconds`` (time limit).
Odoo is loaded once; each worker is a fork. Prints a JSON line: ``kills``, ``left``, ``failures``.
"""

import json
import os
import random
import signal
import sys
import time
import traceback


def main(options):
    from odoo import SUPERUSER_ID, api, sql_db
    from odoo.modules.registry import Registry
    from odoo.tools import config

    config.parse_config(options["odoo"])
    registry = Registry(options["database"])
    from odoo.addons.psa_hub import connectors
    from odoo.addons.psa_hub.tests.fake_connector import FileVendor

    connectors.register(FileVendor(options["vendor"], options["records"]))
    sql_db.close_all()

    def work():
        while True:
            for job in ("pull", "fetch", "push", "backfill"):
                with registry.cursor() as cr:
                    streams = api.Environment(cr, SUPERUSER_ID, {})["psa.stream"]
                    getattr(streams, f"_cron_{job}")()
            time.sleep(0.02)

    def left():
        """What is still to do, asked in a process of its own: this one must own no connection when it forks."""
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            with registry.cursor() as cr:
                cr.execute("""
                    SELECT (SELECT count(*) FROM psa_message WHERE connection_id = %(connection)s
                                AND lane IN ('fetch', 'outbound') AND state IN ('pending', 'retry'))
                         + (SELECT count(*) FROM psa_stream WHERE connection_id = %(connection)s AND code = 'account'
                                AND (last_success_at IS NULL OR mid_run OR backfill_state = 'running'))
                """, {"connection": options["connection"]})
                os.write(writer, b"%d" % cr.fetchone()[0])
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            count = int(answer.read())
        os.waitpid(pid, 0)
        return count

    def start():
        pid = os.fork()
        if pid:
            return pid
        try:
            random.seed()
            work()
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    dice = random.Random(options["seed"])
    began = time.monotonic()
    workers = [start() for _number in range(options["workers"])]
    kills = failures = 0
    remaining = left()
    while remaining and time.monotonic() - began < options["seconds"]:
        time.sleep(dice.uniform(0.01, 0.2))
        if kills < options["kills"]:
            victim = dice.randrange(len(workers))
            os.kill(workers[victim], signal.SIGKILL)
            _pid, status = os.waitpid(workers[victim], 0)
            failures += os.WIFEXITED(status)  # it had ended by itself: a worker must not
            workers[victim] = start()
            kills += 1
        remaining = left()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        _pid, status = os.waitpid(pid, 0)
        failures += os.WIFEXITED(status)
    sys.stdout.write("POOL " + json.dumps({"kills": kills, "left": remaining, "failures": failures}) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
