"""Real worker processes on a committed database, some of which are killed with signal 9.

Run as a program of its own with one JSON argument: ``odoo`` (command line of Odoo), ``database``, ``lane``,
``connection`` (id), ``workers``, ``kills``, ``seed``, ``seconds`` (time limit), ``hot`` (all batches write one row
too). Odoo is loaded once; each worker is a fork, so that a new one takes milliseconds instead of ten seconds. Prints a
JSON line: ``kills``, ``seconds``, ``left``.
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
    from odoo.addons.psa_hub.models.sync.psa_apply import PsaApply
    from odoo.addons.psa_hub.tests.engine_case import EngineConnector, HotHandler, PartnerHandler

    connectors.register(EngineConnector())
    handler = HotHandler if options["hot"] else PartnerHandler
    PsaApply._handler = lambda model, _type: handler(model.env, [], {})
    sql_db.close_all()

    def work():
        """A worker: drain until told to end."""
        while True:
            with registry.cursor() as cr:
                env = api.Environment(cr, SUPERUSER_ID, {})
                env["psa.lane"]._drain(options["lane"], stand_by=1)
            time.sleep(0.02)

    def left():
        """Due messages, asked in a process of its own: this one must own no database connection when it forks."""
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            with registry.cursor() as cr:
                cr.execute("SELECT COUNT(*) FROM psa_message WHERE connection_id = %s AND lane = %s "
                           "AND state IN ('pending', 'retry')", [options["connection"], options["lane"]])
                os.write(writer, b"%d" % cr.fetchone()[0])
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            count = int(answer.read())
        os.waitpid(pid, 0)
        return count

    ready_reader, ready_writer = os.pipe()
    go_reader, go_writer = os.pipe()

    def wait_for_the_others():
        """Begin together: on a busy machine the first worker could else be through before the second has a cursor."""
        with registry.cursor() as cr:
            cr.execute("SELECT 1")
        os.write(ready_writer, b"r")
        os.read(go_reader, 1)

    def start(together=False):
        pid = os.fork()
        if pid:
            return pid
        try:
            random.seed()
            if together:
                wait_for_the_others()
            work()
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    dice = random.Random(options["seed"])
    began = time.monotonic()
    workers = [start(together=True) for _number in range(options["workers"])]
    for _worker in workers:
        os.read(ready_reader, 1)
    os.write(go_writer, b"g" * len(workers))
    kills = failures = 0
    remaining = left()
    while remaining and time.monotonic() - began < options["seconds"]:
        time.sleep(dice.uniform(0.01, 0.3))
        if kills < options["kills"]:
            victim = dice.randrange(len(workers))
            os.kill(workers[victim], signal.SIGKILL)
            _pid, status = os.waitpid(workers[victim], 0)
            failures += os.WIFEXITED(status)  # it had ended by itself: a worker must not
            workers[victim] = start()
            kills += 1
        remaining = left()
    seconds = time.monotonic() - began
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        _pid, status = os.waitpid(pid, 0)
        failures += os.WIFEXITED(status)
    sys.stdout.write("POOL " + json.dumps(
        {"kills": kills, "seconds": seconds, "left": remaining, "failures": failures}) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
