"""`./dev serve` and `./dev shell`: Odoo with the add-on on a database that stays from one day to the next."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

from .child import start, stop
from .database import addon_key, clone_data, drop, exists, fresh_copy
from .paths import ADDON, clone_folder, clone_id, database_name, lock, log_folder
from .postgres import server
from .run_odoo import OdooRun, free_port
from .say import Problem, say, step

READY_SECONDS = 120
USUAL_PORT = 8069


def lasting_database(running, fresh=False):
    """The database of `serve` and `shell`, with the add-on as the files are now.

    :param fresh: start from an empty one
    :return: its name
    """
    name = database_name("serve")
    record = clone_folder() / "serve.json"
    with lock(f"serve-{clone_id()}", "it prepares the same database"):
        if fresh:
            drop(running, name, clone_data())
        known = json.loads(record.read_text()) if record.is_file() else {}
        if known.get("server") != running.identity() or not exists(running, name):
            fresh_copy(running, "serve")
        elif known["key"] != addon_key():
            run = OdooRun(running, name, "update", clone_data())
            with step(f"updating {ADDON} in {name}"):
                run.call("", "-u", ADDON, "--stop-after-init", "--no-http", log=log_folder() / "update.log",
                         advice=f"{ADDON} could not be updated; `./dev serve --fresh` starts from an empty database.")
        record.write_text(json.dumps({"server": running.identity(), "key": addon_key()}))
    return name


def serve(port=0, cron_threads=2, fresh=False, extra=()):
    """Run Odoo in the foreground until it is interrupted; its log goes to the terminal."""
    running = server()
    name = lasting_database(running, fresh)
    run = OdooRun(running, name, "serve", clone_data(), port=port or free_port(USUAL_PORT), cron_threads=cron_threads)
    with odoo_server(run, log=None, extra=extra) as process:
        announce(run.url)
        process.wait()
    return process.returncode


def shell(purpose="serve", extra=()):
    """Run `odoo shell` on a database of this checkout, with the terminal's input and output."""
    running = server()
    name = lasting_database(running) if purpose == "serve" else database_name(purpose)
    if not exists(running, name):
        raise Problem(f"There is no database {name}: `./dev demo` or `./dev serve` makes one.")
    run = OdooRun(running, name, "shell", clone_data())
    return subprocess.run(run.command("shell", "--no-http", *extra), env=run.environment(), check=False).returncode


def announce(url):
    say(f"Odoo is ready: {url}/odoo - login admin, password admin - Ctrl-C ends it")


@contextmanager
def odoo_server(run, log, extra=(), environment=None):
    """Odoo as a server while the block runs; other commands of this checkout find it through its record.

    :param run: OdooRun with a port
    :param log: Path of the log, None for the terminal
    :yield: the process, once Odoo answers
    """
    record = clone_folder() / "server.json"
    if log:
        log.unlink(missing_ok=True)
    command = [*run.command("", *extra), *(["--logfile", str(log)] if log else [])]
    process = start(command, env=run.environment() | (environment or {}), stdin=subprocess.DEVNULL)
    try:
        with step(f"starting Odoo on {run.database}"):
            wait_until_ready(run.url, process, log)
        record.write_text(json.dumps({"pid": process.pid, "url": run.url, "database": run.database}))
        yield process
    finally:
        if record.is_file() and json.loads(record.read_text())["pid"] == process.pid:
            record.unlink()
        stop(process)


def running_server():
    """The server that another command of this checkout runs: dict with url and database, or None."""
    record = clone_folder() / "server.json"
    if not record.is_file():
        return None
    found = json.loads(record.read_text())
    return found if answers(found["url"]) else None


def answers(url):
    try:
        with urllib.request.urlopen(f"{url}/web/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until_ready(url, process, log):
    until = time.monotonic() + READY_SECONDS
    where = f"see {log}" if log else "its log is above"
    while not answers(url):
        if process.poll() is not None:
            raise Problem(f"Odoo ended with {process.returncode} while starting: {where}.")
        if time.monotonic() > until:
            raise Problem(f"Odoo does not answer at {url} after {READY_SECONDS} s: {where}.")
        time.sleep(0.2)
