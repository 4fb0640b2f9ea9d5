"""What must not happen: work lost with its worker, one delivery twice, a copy that acts."""

import os
import signal
import time

from devkit.say import Problem

from .rig import Figure


def kill(rig, hub, rival, days):
    """Seconds from kill -9 of the worker that has a message in hand until another one has it in hand."""
    copy = rig.copy(hub, "kill")
    rig.script(copy, "hub_slow")
    with rig.serving(copy, "kill", workers=1, cron_threads=2):
        rig.wait_until(copy, "SELECT COUNT(*) FROM psa_bench_row WHERE name = 'attempt'", 1, timeout=120)
        [[worker]] = rig.query(copy, "SELECT payload FROM psa_bench_row WHERE name = 'attempt'")
        os.kill(int(worker), signal.SIGKILL)
        seconds = rig.wait_until(copy, "SELECT COUNT(*) FROM psa_bench_row WHERE name = 'attempt'", 2, timeout=120,
                                 every=0.1)
        rig.wait_until(copy, "SELECT COUNT(*) FROM psa_message WHERE object_type = 'Noop' AND state = 'done'", 1,
                       timeout=60)
    rig.drop(copy)
    rig.record(Figure("kill_recovery_s", seconds, "s", 15, higher=False))


def race(rig, hub, rival, days):
    """Rows that 50 concurrent transactions make of one delivery."""
    copy = rig.copy(hub, "race")
    result = rig.script(copy, "hub_race", transactions=50)
    rig.drop(copy)
    if result["transactions"] != 50:
        raise Problem(f"Only {result['transactions']} of 50 transactions ended well.")
    rig.record(Figure("duplicate_race", result["rows"], "rows", 1, higher=False))


def neutralized(rig, hub, rival, days):
    """Calls and messages that a neutralized copy makes or runs, with its jobs switched on again by hand."""
    copy = rig.copy(hub, "neutralized")
    rig.script(copy, "hub_receive", kind="noop", count=10)
    rig.run(copy, "neutralize").call("neutralize", log=rig.log("neutralize"),
                                     advice="The benchmark's copy could not be neutralized.")
    result = rig.script(copy, "hub_neutralized")
    with rig.serving(copy, "neutralized", workers=0, cron_threads=2):
        time.sleep(10)
    [[touched]] = rig.query(copy, "SELECT COUNT(*) FROM psa_message WHERE object_type = 'Noop' AND state = 'done'")
    rig.drop(copy)
    rig.record(Figure("neutralized_runs", result["calls"] + touched, "calls and messages", 0, higher=False))
