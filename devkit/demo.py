"""`./dev demo`: the whole way of the work once, on the sandbox's data, and a table that is checked to the last cent."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from demo.money_expected import COMPANY as SECOND_FIRM
from demo.money_expected import EXPECTED

from . import child, studio
from .database import addon_template, clone_data, fresh_copy
from .demo_facts import contracts, facts, invoiced_at_vendor
from .demo_table import by_contract, compare, print_table, rows_as_json
from .odoo_source import odoo_source
from .paths import REPO, clone_id, lock, log_folder
from .postgres import server
from .python_env import python_env
from .run_odoo import OdooRun, cpu_count, free_port
from .say import Problem, say, step
from .serve import USUAL_PORT, odoo_server
from .sql import SqlSession, run_sql

DRAIN_SECONDS = 1800
QUIET_LOOKS = 3  # so many looks in a row without open work: the queue is empty
SANDBOX_SECONDS = 120

# What still has to move by itself. Messages that wait for a parent or are held by an exception do not.
OPEN_WORK = """
    SELECT count(*) FILTER (WHERE direction = 'in'),
           count(*) FILTER (WHERE direction = 'in' AND state IN ('pending', 'retry')),
           count(*) FILTER (WHERE direction = 'in' AND state IN ('held', 'waiting')),
           count(*) FILTER (WHERE direction = 'out'),
           count(*) FILTER (WHERE direction = 'out' AND state IN ('pending', 'retry'))
    FROM psa_message"""
UNREAD = """
    SELECT count(*) FROM psa_stream
    WHERE active AND direction = 'in' AND (last_success_at IS NULL OR mid_run OR next_pull_at IS NULL
                                           OR next_pull_at <= now() AT TIME ZONE 'UTC')"""


def demo(once=False, output=None, scale="full", seed=1, port=0, only_studio=False):
    """Run the main job and print what happened; keep serving unless `once`.

    :param once: stop after the table
    :param output: file for the figures as JSON, or None
    :param scale: how much data the sandbox has
    :param only_studio: leave the other two firms out
    :return: exit code; 1 when a figure differs from the sandbox's manifest
    """
    with lock(f"demo-{clone_id()}", "it runs the demo of this checkout"):
        with ThreadPoolExecutor(2) as pool:
            odoo = pool.submit(odoo_source)
            python_env()
            odoo.result()
        os.environ["PSA_HUB_FILES_ROOT"] = str(studio.files_root())
        with ThreadPoolExecutor(1) as pool, sandbox(scale, seed) as ready, studio.stand_ins(scale) as studio_urls:
            database = pool.submit(prepare_database)  # while the sandbox makes its data
            vendor = ready()
            manifest = control(vendor, "manifest")
            running, name = database.result()
            run = OdooRun(
                running, name, "demo", clone_data(),
                port=port or free_port(USUAL_PORT), cron_threads=max(2, cpu_count()), options={"workers": 2},
            )
            return perform(run, vendor, manifest, studio_urls, scale, once, output, only_studio)


def prepare_database():
    """A fresh copy of the template. Returns the server and the database's name."""
    running = server()
    return running, fresh_copy(running, "demo", addon_template(running))


def perform(run, vendor, manifest, studio_urls, scale, once, output, only_studio):
    rows = []
    if not only_studio:
        with step("setting up the firm: three companies, taxes, users, the connection"):
            run.run_script(REPO / "demo/setup.py", log=log_folder() / "demo-setup.log",
                           variables=first_firm(vendor, manifest), advice="The demo's firm could not be set up.")
    with odoo_server(run, log=log_folder() / "demo-server.log") as process:
        if not only_studio:
            rows += play_two_firms(run, process, vendor, manifest)
        rows += play_studio(run, process, studio_urls, scale)
        print_table(rows)
        if output:
            Path(output).write_text(json.dumps(rows_as_json(rows), indent=1) + "\n")
        if not once:
            keep_serving(run, vendor, studio_urls, process)
    return 0 if all(row.ok for row in rows) else 1


def first_firm(vendor, manifest):
    """Return the environment of the first firm's scripts."""
    return {"PSA_DEMO_SANDBOX": vendor, "PSA_DEMO_START": manifest["period"]["start"],
            "PSA_DEMO_END": manifest["period"]["end"]}


def play_two_firms(run, process, vendor, manifest):
    """The firm on one CRM and PSA, and the one that shows every way of billing. Return their rows of the table."""
    before = invoiced_at_vendor(vendor)
    wait_for_queue(run, process, "reading the sandbox and applying what comes", incoming=True)
    with step("billing the quarter: proposals, approval, invoices"):
        run.run_script(REPO / "demo/billing.py", log=log_folder() / "demo-billing.log",
                       variables=first_firm(vendor, manifest), advice="The demo's billing run failed.")
    wait_for_queue(run, process, "writing back to the sandbox", incoming=False)
    rows = compare(facts(run.server, run.database, vendor, before), manifest)
    with step("a second firm: every billing method, every hold"):
        run.run_script(REPO / "demo/billing_methods.py", log=log_folder() / "demo-methods.log",
                       advice="The demo's second firm failed.")
    return rows + list(by_contract(contracts(run.server, run.database, SECOND_FIRM), EXPECTED))


def play_studio(run, process, urls, scale):
    """The firm whose work lives in five systems and a folder. Return its rows of the table."""
    def script(name, **variables):
        run.run_script(REPO / "demo" / name, log=log_folder() / f"demo-{name.removesuffix('.py')}.log",
                       variables=variables, advice=f"{name} of the demo's studio failed.")

    return studio.perform(run, urls, scale, lambda what, incoming: wait_for_queue(run, process, what, incoming), script)


def wait_for_queue(run, process, what, incoming):
    """Wait until the workers have nothing left to do, and show how far they are."""
    until = time.monotonic() + DRAIN_SECONDS
    log = log_folder() / "demo-server.log"
    quiet = 0
    with step(what) as detail, SqlSession(run.server, run.database) as session:
        while quiet < QUIET_LOOKS:
            if process.poll() is not None:
                raise Problem(f"Odoo ended with {process.returncode}: see {log}.")
            if time.monotonic() > until:
                raise Problem(f"The queue is not empty after {DRAIN_SECONDS} s: see {log}.")
            time.sleep(0.5)
            [[counts], [[unread]]] = session.run([(OPEN_WORK, []), (UNREAD, [])])
            read, to_apply, stuck, sent, to_send = counts
            detail(f"{read} read, {to_apply} to apply, {stuck} held or waiting, "
                   f"{sent - to_send} of {sent} written back")
            if incoming and not read:  # the jobs' triggers were written before any worker listened
                run_sql(run.server, [("SELECT pg_notify('cron_trigger', %s)", [run.database])])
            quiet = quiet + 1 if not to_apply and not to_send and not (incoming and unread) else 0


@contextmanager
def sandbox(scale, seed):
    """Run the vendors' stand-in while the block runs; yields a function that waits for it and returns its address."""
    log = log_folder() / "sandbox.log"
    with log.open("w") as errors:
        process = child.start([python_env(), "-m", "sandbox", "--port", "0", "--scale", scale, "--seed", seed],
                              cwd=REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True)

    def ready():
        with step("starting the vendors' sandbox"):
            line = process.stdout.readline()
        if not line.startswith("ready "):
            raise Problem(f"The sandbox did not start: see {log}.")
        return line.split()[1]

    try:
        yield ready
    finally:
        child.stop(process)


def control(vendor, name):
    with urllib.request.urlopen(f"{vendor}/_sandbox/{name}", timeout=SANDBOX_SECONDS) as answer:
        return json.load(answer)


def keep_serving(run, vendor, studio_urls, process):
    say(f"Odoo: {run.url}/odoo - logins: admin (password admin); finance, approver, auditor "
        "(password demo- and the login)")
    say(f"The vendors' sandbox: {vendor}/_sandbox/manifest; " + "; ".join(
        f"{code}: {url}" for code, url in studio_urls.items()))
    say("Ctrl-C ends all of it")
    sys.stdout.flush()
    process.wait()
    raise Problem(f"Odoo ended with {process.returncode}: see {log_folder() / 'demo-server.log'}.")
