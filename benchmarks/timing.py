"""Rates seen from outside: one clock in the database for both rivals, one load generator for both routes."""

import json
import subprocess
from pathlib import Path

from devkit.python_env import python_env
from devkit.say import Problem

HERE = Path(__file__).resolve().parent


def drain_rate(rig, database, statement, wanted, timeout=900):
    """Rows a second from the first row seen done to the last, while servers work. See ``watch.py``."""
    return _child(rig, "watch.py", {
        "database": database, "statement": statement, "wanted": wanted, "timeout": timeout})["rate"]


def request_rates(rig, url, routes, clients, seconds, rounds):
    """Requests a second of each route, interleaved. See ``load.py``.

    :param routes: ``{name: {"path":, "secret":, "events":}}``
    :return: ``{name: [rate of each round]}``
    """
    return _child(rig, "load.py", {
        "url": url, "routes": routes, "clients": clients, "seconds": seconds, "rounds": rounds})


def _child(rig, program, request):
    done = subprocess.run([str(python_env()), str(HERE / program)], input=json.dumps(request), text=True,
                          capture_output=True, env=rig.server.environment(), timeout=3600, check=False)
    if done.returncode:
        raise Problem(f"{program} failed: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


